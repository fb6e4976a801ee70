/** Leaves out what is fetched by itself when it is needed first: each `import()` of the client is a chunk of its own. */
const withoutLazyParts = {
  name: 'without-lazy-parts',
  /** @param {unknown} specifier */
  resolveDynamicImport: (specifier) => ({ id: specifier, external: true }),
};

/** @type {import('size-limit').SizeLimitConfig} */
const checks = [
  {
    name: 'first load: connect + send, Socket.IO client included',
    path: 'dist/index.mjs',
    import: '{ CommClient }',
    gzip: true,
    limit: '26 kB',
    modifyRolldownConfig: (config) => ({ ...config, plugins: [config.plugins ?? [], withoutLazyParts] }),
  },
  {
    name: 'the whole client, lazy parts included',
    path: 'dist/index.mjs',
    import: '{ CommClient }',
    gzip: true,
    limit: '42 kB',
  },
];

export default checks;
