/**
 * Leaves out parts that the client fetches by `import()`.
 *
 * @param {RegExp} parts - which of them
 */
const without = (parts) => ({
  name: 'without-parts',
  /** @param {unknown} specifier */
  resolveDynamicImport: (specifier) =>
    typeof specifier === 'string' && parts.test(specifier) ? { id: specifier, external: true } : null,
});

/** Leaves out what the rest of the client has loaded already. */
const shared = {
  name: 'without-shared',
  /**
   * @param {string} specifier
   * @param {string | undefined} importer
   */
  resolveId: (specifier, importer) =>
    specifier === 'idb-keyval' || (specifier.startsWith('./') && importer?.includes('/dist/end-to-end-') === true)
      ? { id: specifier, external: true }
      : null,
};

/**
 * @param {string} name
 * @param {string} limit
 * @param {RegExp} left
 * @returns {import('size-limit').Check}
 */
const check = (name, limit, left) => ({
  name,
  path: 'dist/index.mjs',
  import: '{ CommClient }',
  gzip: true,
  limit,
  modifyRolldownConfig: (config) => ({ ...config, plugins: [config.plugins ?? [], without(left)] }),
});

/** @type {import('size-limit').SizeLimitConfig} */
const checks = [
  check('first load: connect + send, Socket.IO client included', '26 kB', /./),
  // What connecting fetches beside the handshake: the stream of changes and the stored outbox.
  check('connect + send, with everything they fetch', '42 kB', /reader|base-mode|call-desk|engine/),
  check(
    'the whole client without calls and encryption: history, views and base mode as well',
    '53 kB',
    /call-desk|engine/,
  ),
  {
    name: 'calls: what the first one fetches',
    path: 'dist/call-desk-*.mjs',
    gzip: true,
    limit: '18 kB',
    // What it shares with the rest of the client is there by then.
    modifyRolldownConfig: (config) => ({ ...config, external: /^\.\.?\// }),
  },
  {
    name: 'with the option `encryption`, besides all of that',
    path: 'dist/end-to-end-*.mjs',
    import: '*',
    gzip: true,
    limit: '38.5 kB',
    modifyRolldownConfig: (config) => ({ ...config, plugins: [config.plugins ?? [], shared, without(/./)] }),
  },
];

export default checks;
