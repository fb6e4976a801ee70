/**
 * Measures the packages of other products next to this one, and prints the table of docs/comparison.md: the size of a
 * minimal chat in a page, and what `npm install` adds. Installs the newest versions into a temporary directory, which needs
 * the npm registry, and this repository's build: `npm run build && npm exec -- node scripts/docs/compare.ts`.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';
import { root, toolEnvironment } from '../steps.ts';

interface Product {
  readonly name: string;
  readonly packages: readonly string[];
  /** Packages or tarballs to install, where they are not the newest of the registry. */
  readonly install?: readonly string[];
  /** Connects, sends a message and receives messages, by the product's documentation. */
  readonly entry: string;
}

const PRODUCTS: readonly Product[] = [
  {
    name: 'Stream',
    packages: ['stream-chat'],
    entry: `import { StreamChat } from 'stream-chat';
      const client = StreamChat.getInstance('key');
      await client.connectUser({ id: 'alice' }, 'token');
      const channel = client.channel('messaging', 'general');
      await channel.watch();
      channel.on('message.new', ({ message }) => console.log(message.text));
      await channel.sendMessage({ text: 'Hello' });`,
  },
  {
    name: 'Sendbird',
    packages: ['@sendbird/chat'],
    entry: `import SendbirdChat from '@sendbird/chat';
      import { GroupChannelModule, GroupChannelHandler } from '@sendbird/chat/groupChannel';
      const client = SendbirdChat.init({ appId: 'id', modules: [new GroupChannelModule()] });
      await client.connect('alice', 'token');
      client.groupChannel.addGroupChannelHandler('1', new GroupChannelHandler({ onMessageReceived: (_, message) => console.log(message) }));
      const channel = await client.groupChannel.getChannel('general');
      channel.sendUserMessage({ message: 'Hello' });`,
  },
  {
    name: 'Twilio Conversations',
    packages: ['@twilio/conversations'],
    entry: `import { Client } from '@twilio/conversations';
      const client = new Client('token');
      client.on('messageAdded', (message) => console.log(message.body));
      const conversation = await client.getConversationBySid('general');
      await conversation.sendMessage('Hello');`,
  },
  {
    name: 'Ably Chat',
    packages: ['@ably/chat', 'ably'],
    entry: `import { ChatClient } from '@ably/chat';
      import { Realtime } from 'ably';
      const client = new ChatClient(new Realtime({ authUrl: '/token', clientId: 'alice' }));
      const room = await client.rooms.get('general');
      room.messages.subscribe(({ message }) => console.log(message.text));
      await room.attach();
      await room.messages.send({ text: 'Hello' });`,
  },
  {
    name: 'Matrix',
    packages: ['matrix-js-sdk'],
    entry: `import { createClient } from 'matrix-js-sdk';
      const client = createClient({ baseUrl: 'https://example.com', accessToken: 'token', userId: '@alice:example.com' });
      client.on('Room.timeline', (event) => console.log(event.getContent().body));
      await client.startClient();
      await client.sendTextMessage('!general', 'Hello');`,
  },
  {
    name: 'LiveKit',
    packages: ['livekit-client'],
    entry: `import { Room } from 'livekit-client';
      const room = new Room();
      room.registerTextStreamHandler('chat', async (reader) => console.log(await reader.readAll()));
      await room.connect('wss://example.com', 'token');
      await room.localParticipant.sendText('Hello', { topic: 'chat' });`,
  },
];

const own: Product = {
  name: 'lumen-comm',
  packages: ['lumen-comm'],
  entry: `import { CommClient } from 'lumen-comm';
      const client = new CommClient({ url: 'https://example.com', token: 'token' });
      client.on('message:new', ({ content }) => console.log(content));
      await client.connect();
      await client.messages.send({ conversationId: '1', content: 'Hello' });`,
};

const kilobytes = (bytes: number): string => (bytes / 1_000).toFixed(1);

function npm(directory: string, ...args: string[]): void {
  execFileSync('npm', [...args, '--no-audit', '--no-fund', '--ignore-scripts', '--silent'], {
    cwd: directory,
    env: toolEnvironment,
  });
}

/** Returns the packages below a `node_modules`, and their bytes. */
function installed(directory: string): { count: number; bytes: number } {
  const result = { count: 0, bytes: 0 };
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    result.bytes += statSync(path.join(entry.parentPath, entry.name)).size;
    if (entry.name === 'package.json' && /node_modules\/(?:@[^/]+\/)?[^/@]+$/.test(entry.parentPath)) result.count += 1;
  }
  return result;
}

/** Returns the gzipped bytes of the chunks that the page loads at once, and of all that it may load later. */
async function bundle(directory: string, entry: string): Promise<{ first: number; all: number }> {
  writeFileSync(path.join(directory, 'entry.js'), entry);
  const result = await build({
    root: directory,
    configFile: false,
    logLevel: 'error',
    build: {
      write: false,
      target: 'es2022',
      minify: true,
      modulePreload: false,
      rolldownOptions: { input: path.join(directory, 'entry.js') },
    },
  });
  if (!('output' in result)) throw new Error('Vite returned no single bundle');
  const sizes = new Map<string, number>();
  const imports = new Map<string, readonly string[]>();
  let start = '';
  for (const file of result.output) {
    sizes.set(file.fileName, gzipSync(file.type === 'chunk' ? file.code : file.source).length);
    if (file.type !== 'chunk') continue;
    imports.set(file.fileName, file.imports);
    if (file.isEntry) start = file.fileName;
  }
  const loaded = new Set<string>();
  const load = (name: string): void => {
    if (loaded.has(name)) return;
    loaded.add(name);
    for (const next of imports.get(name) ?? []) load(next);
  };
  load(start);
  const sum = (names: Iterable<string>): number =>
    Array.from(names, (name) => sizes.get(name) ?? 0).reduce((a, b) => a + b, 0);
  return { first: sum(loaded), all: sum(sizes.keys()) };
}

const temporary = mkdtempSync(path.join(tmpdir(), 'lumen-comm-compare-'));
try {
  execFileSync('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', temporary], {
    cwd: root,
    env: toolEnvironment,
  });
  const tarball = readdirSync(temporary).find((file) => file.endsWith('.tgz')) ?? '';
  console.log('| | version | first load | with all lazy parts | packages | on disk |');
  console.log('|---|---|--:|--:|--:|--:|');
  for (const product of [{ ...own, install: [path.join(temporary, tarball)] }, ...PRODUCTS]) {
    const directory = path.join(temporary, product.name.replaceAll(' ', '-'));
    mkdirSync(directory);
    writeFileSync(path.join(directory, 'package.json'), '{ "private": true, "type": "module" }');
    npm(directory, 'install', ...(product.install ?? product.packages));
    const modules = path.join(directory, 'node_modules');
    const { count, bytes } = installed(modules);
    const versions = product.packages.map((name) => {
      const { version } = JSON.parse(readFileSync(path.join(modules, name, 'package.json'), 'utf8')) as {
        version: string;
      };
      return `\`${name}\` ${version}`;
    });
    const { first, all } = await bundle(directory, product.entry);
    const cells = [
      product.name,
      versions.join(', '),
      `${kilobytes(first)} kB`,
      `${kilobytes(all)} kB`,
      count,
      `${(bytes / 1e6).toFixed(1)} MB`,
    ];
    console.log(`| ${cells.join(' | ')} |`);
  }
  console.log(`\nMeasured on ${new Date().toISOString().slice(0, 10)} with Node ${process.version}.`);
} finally {
  rmSync(temporary, { recursive: true, force: true });
}
