/**
 * Runs the app of docs/lumenjs.md in the real framework, in development and built, and our client against the framework's
 * own chat. Needs a project in which LumenJS, its peers (`socket.io`, `socket.io-client`, `lit`, `better-sqlite3`) and
 * `lumen-comm-server` are installed:
 *
 *     LUMENJS_PROJECT=/path/to/project node test/interop/lumenjs.ts
 *
 * Prints one line per check, and exits with 1 if one failed.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { CommClient } from '../../src/index.ts';
import { snippetsOf } from '../helpers/documentation/snippets.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

const project = process.env['LUMENJS_PROJECT'];
if (project === undefined)
  throw new TypeError('LUMENJS_PROJECT must be the folder of a project with LumenJS installed');
const cli = path.join(project, 'node_modules/@nuraly/lumenjs/dist/cli.js');

const COMPONENT = `
import { LitElement, html } from 'lit';
export class PageMessages extends LitElement {
  static properties = { event: {}, data: {} };
  render() { return html\`<p>Messages</p>\`; }
}`;
/** The page with the framework's own chat, and its tables. */
const OWN_SOCKET = `
import { createCommunicationHandler } from '@nuraly/lumenjs/dist/communication/server.js';
import { ensureCommunicationTables } from '@nuraly/lumenjs/dist/communication/schema.js';
import { useDb } from '@lumenjs/db';
const db = useDb();
await ensureCommunicationTables(db);
export const socket = createCommunicationHandler({ db });`;
/** Stands in for the framework's sessions: the header names the user. */
const SESSION = `
export default (request, response, next) => {
  const sub = request.headers['x-user-id'];
  if (sub !== undefined) request.nkAuth = { user: { sub } };
  next();
};`;
const INLINE = `
import { createCommunicationHandler } from 'lumen-comm-server';
export const socket = createCommunicationHandler();
export class PageInline extends HTMLElement {}`;

await using folder = await temporaryDirectory();
const ours = snippetsOf('docs/lumenjs.md').filter(({ file }) => /^(?:api|pages)\//.test(file ?? ''));
let failures = 0;

await using app = await makeApp('ours', {
  ...Object.fromEntries(ours.map(({ file = '', code }) => [file, code])),
  ...Object.fromEntries(
    ['[a]/[b]', '[a]/[b]/[c]'].map((route, depth) => [`api/comm/${route}.ts`, routeFile(depth + 2)]),
  ),
  'lumenjs.server.js': SESSION,
  'pages/messages/index.ts': COMPONENT,
});
await check('lumenjs dev serves the page, its socket and REST as one server', () => chat(app.folder, 'dev'));
await check('lumenjs build builds the page with _socket.ts', async () => {
  const { code, output } = await run(app.folder, 'build');
  if (code !== 0) throw new Error(output);
});
await check('lumenjs serve serves what was built', () => chat(app.folder, 'serve'));

await using inline = await makeApp('inline', { 'pages/inline.ts': INLINE });
await check('lumenjs build refuses a page that exports its socket, and says what to do', async () => {
  const { code, output } = await run(inline.folder, 'build');
  if (code === 0 || !output.includes('move `socket` to _socket.ts')) throw new Error(output);
});

await using theirs = await makeApp('theirs', {
  'pages/messages/index.ts': COMPONENT,
  'pages/messages/_socket.ts': OWN_SOCKET,
});
await check("our client chats over the framework's own server", async () => {
  await using server = await start(theirs.folder, 'dev');
  await using alice = new CommClient({ url: server.url, userId: 'alice' });
  await using bob = new CommClient({ url: server.url, userId: 'bob' });
  await Promise.all([alice.connect(), bob.connect()]);
  if (alice.guarantees.acknowledged) throw new Error('The server acknowledges requests');
  const { id } = await alice.conversations.create({ type: 'direct', participantIds: ['bob'] });
  const received = new Promise<string>((resolve) => {
    bob.on('message:new', ({ content }) => resolve(content));
  });
  bob.conversations.open(id);
  await alice.messages.send({ conversationId: id, content: 'Hello' });
  if ((await received) !== 'Hello') throw new Error('The message did not arrive');
  for (const unsupported of [
    () => alice.conversations.archive(id, true),
    () => alice.conversations.mute(id, true),
    () => alice.conversations.pin(id, true),
  ]) {
    const code = await unsupported().then(
      () => 'none',
      (error: unknown) => (error as { code?: string }).code,
    );
    if (code !== 'UNSUPPORTED') throw new Error(`Expected UNSUPPORTED; got ${code}`);
  }
});
process.exitCode = failures === 0 ? 0 : 1;

/** The same file at another depth. */
function routeFile(depth: number): string {
  const code = ours.find(({ file }) => file === 'api/comm/[a].ts')?.code ?? '';
  return code.replace('../', '../'.repeat(depth));
}

async function makeApp(
  name: string,
  files: Readonly<Record<string, string>>,
): Promise<AsyncDisposable & { folder: string }> {
  const root = path.join(folder.path, name);
  const all = { 'lumenjs.config.ts': "export default { title: 'App', integrations: ['socketio'] };", ...files };
  for (const [file, code] of Object.entries({ ...all, 'package.json': '{ "type": "module" }' })) {
    await mkdir(path.dirname(path.join(root, file)), { recursive: true });
    await writeFile(path.join(root, file), code);
  }
  await symlink(path.join(project ?? '', 'node_modules'), path.join(root, 'node_modules'), 'dir');
  return { folder: root, [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }) };
}

/** Two of our clients chat over the socket, and one reads over REST. */
async function chat(root: string, command: 'dev' | 'serve'): Promise<void> {
  await using server = await start(root, command);
  await using alice = new CommClient({ url: server.url, userId: 'alice', restPath: '/api/comm' });
  await using bob = new CommClient({ url: server.url, userId: 'bob', restPath: '/api/comm' });
  // Loads the server's modules, which a development server does on demand and for longer than a client waits for a hello.
  await fetch(`${server.url}/api/comm/conversations`);
  await fetch(`${server.url}/messages`);
  await Promise.all([alice.connect(), bob.connect()]);
  if (!alice.guarantees.acknowledged) throw new Error('The server is not ours');
  const { id } = await alice.conversations.create({ type: 'group', participantIds: ['bob'] });
  await alice.messages.send({ conversationId: id, content: command });
  const { messages } = await bob.messages.list({ conversationId: id });
  if (messages.map(({ content }) => content).join() !== command) throw new Error('REST does not list the message');
}

async function start(root: string, command: 'dev' | 'serve'): Promise<AsyncDisposable & { url: string }> {
  const port = await freePort();
  const child = lumenjs(root, command, '--port', String(port));
  let output = '';
  await new Promise<void>((resolve, reject) => {
    const onData = (chunk: Buffer): void => {
      output += chunk.toString();
      if (output.includes('server running at')) resolve();
    };
    child.stdout?.on('data', onData);
    child.stderr?.on('data', onData);
    child.once('exit', () => reject(new Error(output)));
  });
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      child.removeAllListeners('exit');
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    },
  };
}

async function run(root: string, command: 'build'): Promise<{ code: number; output: string }> {
  const child = lumenjs(root, command);
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number];
  return { code, output };
}

function lumenjs(root: string, ...args: readonly string[]): ChildProcess {
  const env = { ...process.env, NODE_ENV: 'development' };
  return spawn(process.execPath, [cli, ...args, '--project', root], {
    cwd: root,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const address = probe.address();
  probe.close();
  await once(probe, 'close');
  if (address === null || typeof address === 'string') throw new Error('No port');
  return address.port;
}

async function check(name: string, task: () => Promise<unknown>): Promise<void> {
  try {
    await task();
    process.stdout.write(`ok      ${name}\n`);
  } catch (error) {
    failures += 1;
    process.stdout.write(`failed  ${name}\n${String(error)}\n`);
  }
}
