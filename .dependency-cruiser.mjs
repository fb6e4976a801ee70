/**
 * Which modules may import which, types included. `test/unit/tools/layers.test.ts` plants a violation of every rule.
 *
 *   lib ← protocol ← transport, storage ← client ← media, testing, bindings ← react, vue, svelte, lit
 *   client, testing ← devtools
 *   lib ← protocol ← storage ← node
 *   lib ← protocol ← server
 */
import clientManifest from './package.json' with { type: 'json' };
import serverManifest from './packages/server/package.json' with { type: 'json' };

/** Each folder of src, and the other folders it may import. */
const LAYERS = {
  lib: [],
  protocol: ['lib'],
  transport: ['lib', 'protocol'],
  storage: ['lib', 'protocol'],
  client: ['lib', 'protocol', 'transport', 'storage'],
  media: ['lib', 'protocol', 'client'],
  bindings: ['lib', 'protocol', 'client'],
  react: ['lib', 'client', 'bindings'],
  vue: ['lib', 'client', 'bindings'],
  svelte: ['lib', 'client', 'bindings'],
  lit: ['lib', 'client', 'bindings'],
  node: ['lib', 'protocol', 'storage'],
  testing: ['lib', 'protocol', 'transport', 'client'],
  devtools: ['lib', 'protocol', 'transport', 'client', 'testing'],
  server: ['lib', 'protocol'],
};

/** The parts of the client that an app calls. They don't know each other. */
const SUB_CLIENTS = ['messages', 'conversations', 'users', 'presence', 'files', 'calls', 'encryption'];
/** The parts of the client below them. They know no sub-client. */
const FLOWS = ['connection', 'sync', 'outbox', 'timeline'];
/** The sub-clients that may use outbox, timeline and sync. */
const CHAT_CLIENTS = ['messages', 'conversations', 'files'];

/** Keeps what outbox, timeline and sync hold for the next session. */
const OFFLINE = 'offline';

/** Each external package, and the only place that may import it. */
const EXTERNAL = {
  '@redis/client': 'src/server/cluster/redis-connection\\.ts$',
  'socket.io-client': 'src/transport/socket-io\\.ts$',
  'idb-keyval': 'src/storage/(indexed-db-storage|device-key)\\.ts$',
  '@socket.io/component-emitter': 'src/lib/emitter\\.ts$',
  thumbhash: 'src/client/files/describe-media\\.ts$',
  tweetnacl: 'src/client/encryption/nkc1/primitives\\.ts$',
  '@noble/ciphers': 'src/client/encryption/nkc1/primitives\\.ts$',
  '@noble/curves': 'src/server/services/e2ee/ed25519\\.ts$',
  '@noble/ed25519': 'src/client/encryption/nkc1/primitives\\.ts$',
  '@noble/hashes': 'src/client/encryption/nkc1/primitives\\.ts$',
  valibot: 'src/(protocol|server)/',
  'socket.io': 'src/server/(sockets/|create-server\\.ts$)',
  jose: 'src/server/auth/',
  kysely: 'src/server/store/',
  '@valibot/to-json-schema': 'src/server/documents/generate/',
  typescript: 'src/server/documents/generate/',
  aws4fetch: 'src/server/services/files/s3-client\\.ts$',
  htmlparser2: 'src/server/services/links/parse-preview\\.ts$',
  react: 'src/react/',
  vue: 'src/vue/',
  svelte: 'src/svelte/',
  lit: 'src/lit/',
  sqlite: 'src/(lib/node-sqlite|storage/file-storage)\\.ts$',
};

/** Code that runs in the build only, on development dependencies. */
const GENERATOR = 'src/server/documents/generate/';

/** Files outside the server that need Node. */
const NODE_ONLY = '^src/(server|node)/|^src/storage/file-|^src/lib/node-sqlite\\.ts$';

const clientDependencies = Object.keys(clientManifest.dependencies);
/** Optional peers: the bindings import them. */
const frameworks = Object.keys(clientManifest.peerDependencies);
const serverDependencies = Object.keys(serverManifest.dependencies);

/**
 * Matches the paths of packages: resolved to code, resolved to their types, or not installed.
 * @param {readonly string[]} names
 */
const packages = (names) => `(^|node_modules/)(@types/)?(${names.join('|').replaceAll('.', '\\.')})(/|$)`;

/**
 * A rule that forbids imports.
 *
 * @param {string} name
 * @param {string} comment - what the rule requires
 * @param {import('dependency-cruiser').IRegularForbiddenRuleType['from']} from
 * @param {import('dependency-cruiser').IRegularForbiddenRuleType['to']} to
 * @returns {import('dependency-cruiser').IRegularForbiddenRuleType}
 */
const forbid = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });

const layerRules = Object.entries(LAYERS).map(([layer, below]) =>
  forbid(
    `layer-${layer}`,
    `src/${layer} imports ${[...below, 'itself'].join(', ')}, and no other folder of src.`,
    { path: `^src/${layer}/` },
    { path: '^src/', pathNot: `^src/(${[layer, ...below].join('|')})/` },
  ),
);

const externalRules = Object.entries(EXTERNAL).map(([name, place]) =>
  forbid(
    `external-${name}`,
    `${name} is imported in one place: ${place}`,
    { path: '^src/', pathNot: `^${place}` },
    { path: name === 'sqlite' ? '^(node:)?sqlite$' : packages([name]) },
  ),
);

const clientRules = [
  forbid(
    'flows-know-no-sub-client',
    `${FLOWS.join(', ')} carry what the sub-clients send and receive, and import none of them.`,
    { path: `^src/client/(${FLOWS.join('|')})/` },
    { path: `^src/client/(${SUB_CLIENTS.join('|')})/` },
  ),
  forbid(
    'flows-for-chat',
    `Only ${CHAT_CLIENTS.join(', ')} and ${OFFLINE} are built on outbox, timeline and sync.`,
    { path: '^src/client/[^/]+/', pathNot: `^src/client/(${[...FLOWS, ...CHAT_CLIENTS, OFFLINE].join('|')})/` },
    { path: '^src/client/(sync|outbox|timeline)/' },
  ),
  forbid(
    'connection-is-the-lowest-flow',
    'The connection is used by the other flows and imports none of them.',
    { path: '^src/client/connection/' },
    { path: '^src/client/(sync|outbox|timeline)/' },
  ),
  forbid(
    'sub-clients-apart',
    'A sub-client imports no other sub-client: comm-client passes what it needs.',
    { path: `^src/client/(${SUB_CLIENTS.join('|')})/` },
    { path: `^src/client/(${SUB_CLIENTS.join('|')})/`, pathNot: '^src/client/$1/' },
  ),
  forbid(
    'parts-below-comm-client',
    'comm-client constructs the parts; no part imports it.',
    { path: '^src/client/[^/]+/' },
    { path: '^src/client/comm-client\\.ts$' },
  ),
  forbid(
    'nkc1-is-pure',
    'The encryption protocol knows lib and protocol, and nothing of the client: no storage, no connection.',
    { path: '^src/client/encryption/nkc1/' },
    { path: '^src/', pathNot: '^src/(client/encryption/nkc1|lib|protocol)/' },
  ),
];

const serverRules = [
  forbid(
    'services-know-ports',
    'Services hold the rules. They import no sockets, no HTTP and no handlers.',
    { path: '^src/server/services/' },
    { path: '^src/server/(api|handlers|sockets|rest|http)/' },
  ),
  forbid(
    'handlers-call-services',
    'Handlers, REST routes and the server API validate, authorize and call services, which alone use the store.',
    { path: '^src/server/(api|handlers|rest)/' },
    { path: '^src/server/(sockets|store)/' },
  ),
  forbid(
    'store-at-the-bottom',
    'The store imports nothing of the server.',
    { path: '^src/server/store/' },
    { path: '^src/server/', pathNot: '^src/server/store/' },
  ),
  forbid(
    'cluster-below-services',
    'Shared state between processes is used by services; it knows their ports only.',
    { path: '^src/server/cluster/' },
    { path: '^src/server/', pathNot: '^src/server/(cluster/|services/ports\\.ts$)' },
  ),
  forbid(
    'generator-replaced-by-the-build',
    'The generator of the documents needs the sources. Only the module that the build replaces imports it.',
    { path: '^src/', pathNot: `^${GENERATOR}|^src/server/documents/load-documents\\.ts$` },
    { path: `^${GENERATOR}` },
  ),
  forbid(
    'cli-and-testing-at-the-top',
    'Nothing in the server imports the command line or the test tools.',
    { path: '^src/server/', pathNot: '^src/server/(cli|testing)/' },
    { path: '^src/server/(cli|testing)/' },
  ),
];

/** @type {import('dependency-cruiser').IConfiguration} */
const config = {
  forbidden: [
    ...layerRules,
    forbid(
      'layer-missing',
      'Every folder of src has its layer in this file.',
      { path: '^src/[^/]+/', pathNot: `^src/(${Object.keys(LAYERS).join('|')})/` },
      {},
    ),
    forbid(
      'layer-index',
      'src/index.ts exports the names of the client.',
      { path: '^src/index\\.ts$' },
      { path: '^src/', pathNot: '^src/(lib|protocol|transport|storage|client)/' },
    ),
    forbid(
      'index-is-for-apps',
      'No module imports src/index.ts: it would depend on the whole client.',
      { path: '^src/' },
      { path: '^src/index\\.ts$' },
    ),
    ...clientRules,
    ...serverRules,
    forbid(
      'sqlite-is-for-node',
      'Only the server and the entry lumen-comm/node may import modules that load node:sqlite.',
      { path: '^src/', pathNot: NODE_ONLY },
      { path: '^src/(storage/file-|lib/node-sqlite\\.ts$)' },
    ),
    forbid(
      'no-node-in-browsers',
      'Code that runs in browsers imports no module of Node.',
      { path: '^src/', pathNot: NODE_ONLY },
      { dependencyTypes: ['core'] },
    ),
    ...externalRules,
    forbid(
      'dependencies-of-lumen-comm',
      'The client imports packages that package.json lists as dependencies, and the bindings their framework.',
      { path: '^src/', pathNot: '^src/(server|lib|protocol)/' },
      { path: 'node_modules/', pathNot: packages([...clientDependencies, ...frameworks]) },
    ),
    forbid(
      'dependencies-of-lumen-comm-server',
      'The server imports packages that packages/server/package.json lists as dependencies.',
      { path: '^src/server/', pathNot: `^${GENERATOR}` },
      { path: 'node_modules/', pathNot: packages(serverDependencies) },
    ),
    forbid(
      'dependencies-of-both',
      'lib is used by both packages, and protocol too: they import packages that one of them lists.',
      { path: '^src/(lib|protocol)/' },
      { path: 'node_modules/', pathNot: packages([...clientDependencies, ...serverDependencies]) },
    ),
    forbid(
      'no-circular',
      'Modules that import each other, types included, are one module in two files.',
      {},
      { circular: true },
    ),
    forbid(
      'no-test-code-in-src',
      'Published code imports no code of tests, scripts or the playground.',
      { path: '^src/' },
      { path: '^(test|scripts|playground|docs)/' },
    ),
    forbid(
      'playground-by-name',
      'The playground imports the packages by name, as an app does.',
      { path: '^playground/' },
      { path: '^(src|test|scripts)/' },
    ),
    forbid('resolvable', 'Every import can be resolved.', {}, { couldNotResolve: true }),
  ],
  options: {
    doNotFollow: { path: ['node_modules'] },
    exclude: { path: '^(playground/|packages/server/)?dist/' },
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
