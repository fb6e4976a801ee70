/**
 * Who may import whom, types included. `test/unit/tools/layers.test.ts` plants a violation of each kind.
 *
 *   lib ← protocol ← transport, storage ← client ← react, lit, node
 *   lib ← protocol ← server ← testing, cli (testing also stands on transport: its faulty sockets and bare users)
 */

/** Each layer, and the others it may import besides itself. */
const LAYERS = {
  lib: [],
  protocol: ['lib'],
  transport: ['lib', 'protocol'],
  storage: ['lib', 'protocol'],
  client: ['lib', 'protocol', 'transport', 'storage'],
  react: ['lib', 'protocol', 'client'],
  lit: ['lib', 'protocol', 'client'],
  node: ['lib', 'protocol', 'transport', 'storage', 'client'],
  server: ['lib', 'protocol'],
  testing: ['lib', 'protocol', 'transport', 'server'],
};

/** Each thing from outside, and the one place that knows it. */
const OUTSIDE = {
  'socket.io-client': 'src/transport/socket-io\\.ts$',
  'idb-keyval': 'src/storage/(indexed-db|device-key)\\.ts$',
  eventemitter3: 'src/lib/emitter\\.ts$',
  'socket.io': 'src/(server/[^/]+\\.ts$|testing/)',
  kysely: 'src/server/store/',
  'better-sqlite3': 'src/server/store/',
  pg: 'src/server/store/',
  jose: 'src/server/auth(\\.ts$|/)',
  valibot: 'src/(protocol|transport|server)/',
  tweetnacl: 'src/client/encryption/primitives\\.ts$',
  '@noble/ciphers': 'src/client/encryption/primitives\\.ts$',
  '@noble/curves': 'src/server/services/ed25519\\.ts$',
  '@noble/ed25519': 'src/client/encryption/primitives\\.ts$',
  '@noble/hashes': 'src/client/encryption/primitives\\.ts$',
};

const NODE_ONLY = '^src/(server|node|testing|cli)/|^src/cli\\.ts$|^src/storage/file(-|\\.ts$)';

/** @param {string} text */
const escape = (text) => text.replaceAll('.', '\\.');
/**
 * Resolved, with types from elsewhere, or not installed.
 * @param {string} name
 */
const packagePath = (name) => `(^|node_modules/)(@types/)?${escape(name)}(/|$)`;

const layerRules = Object.entries(LAYERS).map(([layer, below]) => ({
  name: `layer-${layer}`,
  comment: `src/${layer} may import ${[...below, 'itself'].join(', ')}, and no other part of src.`,
  severity: 'error',
  from: { path: `^src/${layer}/` },
  to: { path: '^src/', pathNot: `^src/(${[layer, ...below].join('|')})/` },
}));

const outsideRules = Object.entries(OUTSIDE).map(([name, place]) => ({
  name: `outside-${name}`,
  comment: `${name} stands in one place: ${place}`,
  severity: 'error',
  from: { path: '^src/', pathNot: `^${place}` },
  to: { path: packagePath(name) },
}));

/** @type {import('dependency-cruiser').IConfiguration} */
const config = {
  forbidden: [
    ...layerRules,
    {
      name: 'layer-index',
      comment: 'src/index.ts is the public face of the client.',
      severity: 'error',
      from: { path: '^src/index\\.ts$' },
      to: { path: '^src/', pathNot: '^src/(lib|protocol|transport|storage|client)/' },
    },
    {
      name: 'layer-cli',
      comment: 'The command line starts a server, nothing else.',
      severity: 'error',
      from: { path: '^src/cli(\\.ts$|/)' },
      to: { path: '^src/', pathNot: '^src/(lib|protocol|server|cli)/' },
    },
    {
      name: 'index-is-a-face',
      comment: 'Nothing inside imports the public face: it would tie every part to every other.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^src/index\\.ts$' },
    },
    {
      name: 'sub-clients-apart',
      comment: 'A part of the client (messages, presence…) never imports another: comm-client hands it what it needs.',
      severity: 'error',
      from: { path: '^src/client/([^/]+)/' },
      to: { path: '^src/client/[^/]+/', pathNot: '^src/client/$1/' },
    },
    {
      name: 'sub-clients-below-comm-client',
      comment: 'comm-client wires the parts; none of them knows it.',
      severity: 'error',
      from: { path: '^src/client/[^/]+/' },
      to: { path: '^src/client/comm-client\\.ts$' },
    },
    {
      name: 'server-services-apart-from-handlers',
      comment: 'Services hold the rules and know ports; the store knows neither services nor handlers.',
      severity: 'error',
      from: { path: '^src/server/(services|store)/' },
      to: { path: '^src/server/handlers/' },
    },
    {
      name: 'server-store-at-the-bottom',
      comment: 'The store is called by services and calls none.',
      severity: 'error',
      from: { path: '^src/server/store/' },
      to: { path: '^src/server/services/', pathNot: '^src/server/services/ports\\.ts$' },
    },
    {
      name: 'file-storage-is-for-node',
      comment: 'storage/file.ts and its parts (file-…) need Node: only the Node entry may bring them in.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(node/|storage/file(-|\\.ts$))' },
      to: { path: '^src/storage/file(-|\\.ts$)' },
    },
    {
      name: 'node-built-ins',
      comment: 'What runs in a browser imports nothing of Node.',
      severity: 'error',
      from: { path: '^src/', pathNot: NODE_ONLY },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'sqlite-in-the-store',
      comment: 'node:sqlite stands in the store.',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/server/store/' },
      to: { path: '^(node:)?sqlite$' },
    },
    ...outsideRules,
    {
      name: 'no-circular',
      comment: 'Modules that import each other, types included, are one module in two files.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-test-code-in-src',
      comment: 'What is published imports nothing that is not.',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|scripts|playground|docs)/' },
    },
    {
      name: 'playground-by-name',
      comment: 'The playground imports the package by its name, as an app does.',
      severity: 'error',
      from: { path: '^playground/' },
      to: { path: '^(src|test|scripts)/' },
    },
    {
      name: 'declared-dependencies',
      comment:
        'What src imports is declared in package.json as a dependency, peer or optional; not for development only.',
      severity: 'error',
      from: { path: '^src/' },
      to: {
        dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown', 'unknown'],
        dependencyTypesNot: ['npm', 'npm-peer', 'npm-optional', 'npm-bundled'],
      },
    },
    {
      name: 'resolvable',
      comment: 'An import that leads nowhere.',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: ['node_modules'] },
    exclude: { path: '^(playground/)?dist/' },
    // Types count: a type-only import ties two modules together all the same.
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'types', 'node', 'default'],
      mainFields: ['module', 'main', 'types'],
    },
  },
};

export default config;
