import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Check, SizeLimitConfig } from 'size-limit';

/** A chunk of the build: the source files in it, from its source map, and the chunks it imports. */
interface Chunk {
  readonly sources: readonly string[];
  readonly imports: readonly string[];
  readonly dynamicImports: readonly string[];
}

const root = path.resolve(import.meta.dirname, '..');
const dist = path.join(root, 'dist');
const entry = path.join(dist, 'index.mjs');

function readChunk(file: string): Chunk {
  const code = readFileSync(path.join(dist, file), 'utf8');
  const map = code.includes('//# sourceMappingURL=') ? readFileSync(path.join(dist, `${file}.map`), 'utf8') : undefined;
  const sources = map === undefined ? [] : (JSON.parse(map) as { sources: string[] }).sources;
  const imported = (pattern: RegExp): string[] =>
    Array.from(code.matchAll(pattern), ([, chunk = '']) => path.join(dist, chunk));
  return {
    sources: sources.map((source) => path.relative(root, path.join(dist, source))),
    imports: imported(/^(?:import|export)\b[^;]*?"(\.\/[^"]+)";/gm),
    dynamicImports: imported(/\bimport\("(\.\/[^"]+)"\)/g),
  };
}

const chunks: ReadonlyMap<string, Chunk> = new Map(
  readdirSync(dist)
    .filter((file) => file.endsWith('.mjs'))
    .map((file) => [path.join(dist, file), readChunk(file)]),
);

/** @param places - folders of src, or source files */
function holds(chunk: string, places: readonly string[]): boolean {
  const { sources = [] } = chunks.get(chunk) ?? {};
  return sources.some((source) => places.some((place) => source === place || source.startsWith(`${place}/`)));
}

/** Returns all chunks that a chunk loads: its imports, and those of its `import()`s that hold a part of `places`. */
function load(chunk: string, places: readonly string[], loaded = new Set<string>()): Set<string> {
  if (loaded.has(chunk)) return loaded;
  loaded.add(chunk);
  const { imports = [], dynamicImports = [] } = chunks.get(chunk) ?? {};
  for (const next of [...imports, ...dynamicImports.filter((each) => holds(each, places))]) load(next, places, loaded);
  return loaded;
}

type Resolve = (specifier: unknown, importer?: string) => { id: string; external: true } | null;

/** A plugin that takes the chunks of `loaded` into the bundle and leaves out all others. */
function only(loaded: ReadonlySet<string>): { name: string; resolveId: Resolve; resolveDynamicImport: Resolve } {
  const resolve: Resolve = (specifier, importer) => {
    if (typeof specifier !== 'string' || importer === undefined || path.dirname(importer) !== dist) return null;
    const isOther = specifier.startsWith('./') && !loaded.has(path.join(dist, specifier));
    return isOther ? { id: specifier, external: true } : null;
  };
  return { name: 'only', resolveId: resolve, resolveDynamicImport: resolve };
}

function withPlugin(loaded: ReadonlySet<string>, more: object = {}): NonNullable<Check['modifyRolldownConfig']> {
  return (config) => {
    const { plugins = [] } = config as { plugins?: readonly unknown[] };
    return { ...config, ...more, plugins: [plugins, only(loaded)] } as NonNullable<typeof config>;
  };
}

/** Returns a chunk that holds a part of this place. @throws Error if there is none, as after a file has been moved */
function chunkOf(place: string): string {
  const chunk = [...chunks.keys()].find((each) => holds(each, [place]));
  if (chunk === undefined) throw new Error(`No chunk of the build holds ${place}`);
  return chunk;
}

/** The size of the client with the parts in `places`, which it loads by `import()`. */
function client(name: string, limit: string, places: readonly string[]): Check {
  for (const place of places) chunkOf(place);
  return {
    name,
    path: path.relative(root, entry),
    import: '{ CommClient }',
    gzip: true,
    limit,
    modifyRolldownConfig: withPlugin(load(entry, places)),
  };
}

/** Loaded when the client connects, or by the first message it sends. */
const CONNECTED = ['src/client/connected.ts'];
/** Everything but calls, encryption and LumenJS servers. */
const CHAT = [...CONNECTED, 'src/client/reader.ts'];

/** What apps that use a binding have loaded anyway. */
const FRAMEWORKS = ['react', 'vue', 'svelte', 'lit'];

/**
 * The size of a part that is loaded on demand, besides the client without calls and encryption.
 *
 * @param source - the file that the client imports for it
 */
function part(name: string, limit: string, source: string): Check {
  const chunk = chunkOf(source);
  const before = load(entry, CHAT);
  const added = new Set([...load(chunk, [])].filter((each) => !before.has(each)));
  return {
    name,
    path: path.relative(root, chunk),
    import: '*',
    gzip: true,
    limit,
    modifyRolldownConfig: withPlugin(added, { external: ['idb-keyval', ...FRAMEWORKS] }),
  };
}

/** Nothing that an app loads without `lumen-comm/devtools` may hold a part of it. */
function assertNoDevtools(): void {
  const everything = new Set<string>();
  for (const name of ['index', 'media', ...FRAMEWORKS]) load(path.join(dist, `${name}.mjs`), ['src'], everything);
  const chunk = [...everything].find((each) => holds(each, ['src/devtools']));
  if (chunk !== undefined) throw new Error(`${path.relative(root, chunk)} holds a part of src/devtools`);
}
assertNoDevtools();

export const sizeChecks: SizeLimitConfig = [
  client('first load: connect and send, with the Socket.IO client', '26.5 kB', []),
  client('connect and send, with all that they load', '46.5 kB', CONNECTED),
  client('the client without calls and encryption', '60.5 kB', CHAT),
  part('offline reading', '4 kB', 'src/client/offline/offline-cache.ts'),
  part('signing out with forget()', '1.5 kB', 'src/client/offline/forget.ts'),
  part('a failed attempt to connect', '4.5 kB', 'src/client/connection/diagnose.ts'),
  part('a LumenJS server', '4 kB', 'src/transport/base-mode.ts'),
  part('the first call', '19.5 kB', 'src/client/calls/session/call-manager.ts'),
  part('a preview before a call', '4 kB', 'src/client/calls/media/media-preview.ts'),
  part('a call on hold', '1.5 kB', 'src/client/calls/session/call-hold.ts'),
  part('the first message with files, upload or download', '10 kB', 'src/client/files/pending-uploads.ts'),
  part('the first voice recording', '3 kB', 'src/client/files/record-voice.ts'),
  part('the option `encryption`', '46 kB', 'src/client/encryption/engine.ts'),
  part('the developer tools', '8 kB', 'src/devtools/index.ts'),
  ...FRAMEWORKS.map((name) => part(`the binding for ${name}`, '3 kB', `src/${name}/index.ts`)),
];
