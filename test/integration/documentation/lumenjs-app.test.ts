import { mkdir, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { build, createServer, type InlineConfig } from 'vite';
import type { LumenContext } from '../../../src/server/index.ts';
import { root, snippetsOf } from '../../helpers/documentation/snippets.ts';
import { LumenBus } from '../../helpers/server/lumen-context.ts';
import { temporaryDirectory } from '../../helpers/temporary-directory.ts';

interface SocketModule {
  readonly socket: (context: LumenContext) => () => void;
}
interface ApiModule {
  readonly GET: (request: object) => Promise<unknown>;
}

/** What LumenJS provides as `@lumenjs/db`. One database per loaded copy, so that a second copy would be noticed. */
const DATABASE = `
import { DatabaseSync } from 'node:sqlite';
const db = new DatabaseSync(':memory:');
export const useDb = () => db;`;
const INLINE_PAGE = `
import { createCommunicationHandler } from 'lumen-comm-server';
export const socket = createCommunicationHandler();
export class PageMessages extends HTMLElement {}`;

/** The app of docs/lumenjs.md. */
let app: Awaited<ReturnType<typeof temporaryDirectory>>;
beforeAll(async () => {
  app = await temporaryDirectory();
  const write = async (file: string, code: string): Promise<void> => {
    await mkdir(path.dirname(path.join(app.path, file)), { recursive: true });
    await writeFile(path.join(app.path, file), code);
  };
  for (const { file, code } of snippetsOf('docs/lumenjs.md')) {
    if (file !== undefined && /^(?:api|pages)\//.test(file)) await write(file, code);
  }
  await write('pages/messages/index.ts', 'export class PageMessages extends HTMLElement {}');
  await write('pages/inline.ts', INLINE_PAGE);
  await write('lumenjs-db.ts', DATABASE);
  await write('package.json', '{ "type": "module" }');
  await symlink(path.join(root, 'node_modules'), path.join(app.path, 'node_modules'), 'dir');
});
afterAll(() => app[Symbol.asyncDispose]());

/** LumenJS's settings: it inlines every dependency on the server. */
const settings = (): InlineConfig => ({
  root: app.path,
  configFile: false,
  logLevel: 'silent',
  appType: 'custom',
  resolve: { alias: { '@lumenjs/db': path.join(app.path, 'lumenjs-db.ts') } },
  ssr: { noExternal: true },
});

/** A conversation that is created over the socket is listed over REST. */
async function expectOneServer({ socket }: SocketModule, { GET }: ApiModule): Promise<void> {
  const alice = new LumenBus().context('s1', { user: { sub: 'alice' } });
  const close = socket(alice);
  const { data } = await alice.ask('conversation:create', { type: 'direct', participantIds: ['bob'] });
  expect(data?.id).toBeTypeOf('string');
  const request = { method: 'GET', url: '/api/comm/conversations', query: {}, nkAuth: { user: { sub: 'alice' } } };
  expect(await GET(request)).toMatchObject([{ id: data?.id }]);
  close();
}

describe('the app of docs/lumenjs.md', () => {
  test('is served by Vite with all dependencies inlined, without loading Socket.IO', async () => {
    const vite = await createServer({ ...settings(), server: { middlewareMode: true, hmr: false, ws: false } });
    try {
      const socket = (await vite.ssrLoadModule('/pages/messages/_socket.ts')) as SocketModule;
      await expectOneServer(socket, (await vite.ssrLoadModule('/api/comm/[a].ts')) as ApiModule);
      // An import that was never executed has an entry without code.
      const entries = [...vite.environments.ssr.moduleGraph.idToModuleMap];
      const loaded = entries.flatMap(([id, { transformResult }]) => (transformResult === null ? [] : [id]));
      expect(loaded.some((id) => id.includes('packages/server/dist/'))).toBe(true);
      expect(loaded.filter((id) => /\/(?:socket\.io|engine\.io)[\w-]*\//.test(id))).toEqual([]);
    } finally {
      await vite.close();
    }
  });

  test('is built with all dependencies inlined', async () => {
    const input = { socket: 'pages/messages/_socket.ts', api: 'api/comm/[a].ts' };
    const outDir = path.join(app.path, 'built');
    const files = Object.entries(input).map(([name, file]) => [name, path.join(app.path, file)] as const);
    await build({
      ...settings(),
      build: { ssr: true, outDir, rolldownOptions: { input: Object.fromEntries(files), external: /^node:/ } },
    });
    const load = async (name: string): Promise<unknown> =>
      await import(pathToFileURL(path.join(outDir, `${name}.js`)).href);
    await expectOneServer((await load('socket')) as SocketModule, (await load('api')) as ApiModule);
  });

  const bundlePage = async (page: string): Promise<string> => {
    const rolldownOptions = { input: path.join(app.path, page), preserveEntrySignatures: 'strict' } as const;
    const built = await build({ ...settings(), build: { write: false, rolldownOptions } });
    return [built]
      .flat()
      .flatMap((each) => ('output' in each ? each.output : []))
      .map((chunk) => ('code' in chunk ? chunk.code : ''))
      .join('\n');
  };

  test('the page with its socket in another file is bundled for browsers without the server', async () => {
    const code = await bundlePage('pages/messages/index.ts');
    expect(code).toContain('HTMLElement');
    expect(code).not.toContain('comm_migrations');
  });

  test('a page that exports its socket is refused with what to do', async () => {
    await expect(bundlePage('pages/inline.ts')).rejects.toThrow(
      'lumen-comm-server runs on servers only. In a LumenJS page, move `socket` to _socket.ts beside index.ts',
    );
  });
});
