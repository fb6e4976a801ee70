import { readFile } from 'node:fs/promises';
import { describe, expect, test, vi } from 'vitest';
import { CommClient, memoryStorage, type CommStorage } from '../../../src/index.ts';
import { resolveOptions, type CommClientOptions } from '../../../src/client/options.ts';
import { VERSION } from '../../../src/lib/version.ts';
import { FakeSocket, settle } from '../../helpers/client/fake-socket.ts';
import { manualClock } from '../../helpers/manual-clock.ts';
import { fc } from '../../helpers/property.ts';

/** A storage that counts how often it is touched. */
function watchedStorage(): CommStorage & { touched: number } {
  const inner = memoryStorage();
  const storage = {
    touched: 0,
    get: (key: string) => touch(() => inner.get(key)),
    list: (prefix: string) => touch(() => inner.list(prefix)),
    transact: ((keys, step) => touch(() => inner.transact(keys, step))) as CommStorage['transact'],
    close: () => inner.close(),
  };
  const touch = <T>(work: () => T): T => {
    storage.touched += 1;
    return work();
  };
  return storage;
}

describe('the constructor', () => {
  test('starts no timer, socket, storage or request, and requests no token', async () => {
    const socket = new FakeSocket();
    const clock = manualClock();
    const storage = watchedStorage();
    const fetch = vi.fn<typeof globalThis.fetch>();
    const token = vi.fn(() => 'token');
    const timers = [vi.spyOn(globalThis, 'setTimeout'), vi.spyOn(globalThis, 'setInterval')];
    const client = new CommClient({ socket, clock, storage, fetch, token });
    client.on('message:new', () => undefined);
    expect(client.conversations.inbox.getSnapshot()).toEqual({
      conversations: [],
      loading: true,
      stale: false,
      hasMore: false,
      totalUnread: 0,
    });
    expect(client.conversations.inbox.getServerSnapshot()).toBe(client.conversations.inbox.getSnapshot());
    expect(client.messages.outbox()).toEqual([]);
    expect({
      status: client.status,
      userId: client.userId,
      typing: client.typing.in('x'),
      presence: client.presence.get('x'),
    }).toEqual({ status: 'idle', userId: undefined, typing: [], presence: undefined });
    await settle();
    expect({ attempts: socket.attempts, pending: clock.pending, touched: storage.touched }).toEqual({
      attempts: [],
      pending: 0,
      touched: 0,
    });
    expect([...timers, fetch, token].map((each) => each.mock.calls.length)).toEqual([0, 0, 0, 0]);
  });

  test('guarantees nothing before the first connection', () => {
    expect(new CommClient().guarantees).toEqual({
      acknowledged: false,
      exactlyOnce: false,
      gapFree: false,
      editsOnResume: false,
      completeHistory: false,
    });
  });

  test('works outside of a page, and the client can be disposed of before connect()', async () => {
    expect(globalThis).not.toHaveProperty('window');
    const client = new CommClient({ url: 'https://chat.example.com', userId: 'alice' });
    await client.disconnect();
    await client[Symbol.asyncDispose]();
    expect(client.status).toBe('disconnected');
  });

  test('connect() and disconnect() leave no timer', async () => {
    const socket = new FakeSocket();
    socket.answer = (event) =>
      event === 'nk:sync'
        ? { ok: true, data: { inboxRev: 1, conversations: [], gained: [], heads: {}, lost: [], reads: [] } }
        : { ok: true, data: [] };
    const clock = manualClock();
    const client = new CommClient({ socket, clock, storage: memoryStorage(), userId: 'alice' });
    client.presence.watch(['bob']);
    const connecting = client.connect();
    await settle();
    socket.open();
    socket.hello();
    await connecting;
    client.typing.start('conversation');
    socket.push('typing:update', { conversationId: 'conversation', userId: 'bob', isTyping: true });
    socket.push('message:new', {
      id: '1',
      conversationId: 'conversation',
      senderId: 'bob',
      content: 'x',
      type: 'text',
      createdAt: '',
      seq: 1,
      rev: 1,
    });
    client.messages.send({ conversationId: 'conversation', content: 'x' }).catch(() => undefined);
    await settle();
    await client.disconnect();
    expect(clock.pending).toBe(0);
  });

  test.each<[title: string, refused: unknown]>([
    ['waits for a retry', { ok: false, error: { code: 'UNAVAILABLE', message: 'Not now' } }],
    ['waits for a response', undefined],
  ])('disconnect() leaves no timer of a view that %s', async (_title, refused) => {
    const [socket, clock] = [new FakeSocket(), manualClock()];
    const synced = { inboxRev: 1, conversations: [], gained: [], heads: {}, lost: [], reads: [] };
    socket.answer = (event) => (event === 'nk:sync' ? { ok: true, data: synced } : refused);
    const client = new CommClient({ socket, clock, storage: memoryStorage(), userId: 'alice' });
    const connecting = client.connect();
    await settle();
    socket.open();
    socket.hello();
    await connecting;
    const view = client.conversations.open('conversation');
    await expect.poll(() => socket.names()).toContain('nk:conversation:join');
    await settle();
    await client.disconnect();
    await settle();
    expect(clock.pending).toBe(0);
    view.close();
  });
});

test('VERSION is the version of the package', async () => {
  const { version } = JSON.parse(await readFile('package.json', 'utf8')) as { version: string };
  expect(VERSION).toBe(version);
});

describe('options', () => {
  test('have defaults', () => {
    expect(resolveOptions()).toMatchObject({
      url: undefined,
      namespace: '/nk/messages',
      path: '/__nk_socketio/',
      restPath: '/__nk_comm',
      transports: ['websocket', 'polling'],
      idleAfterMs: 300_000,
      requestTimeoutMs: 10_000,
    });
  });

  test('are normalized: trailing slashes of URLs are removed', () => {
    expect(resolveOptions({ url: 'https://a.example//', restPath: '/rest/' })).toMatchObject({
      url: 'https://a.example',
      restPath: '/rest',
    });
  });

  test.each<[title: string, options: object]>([
    ['a url without a scheme', { url: 'chat.example.com' }],
    ['a url of another scheme', { url: 'ws://chat.example.com' }],
    ['an empty user id', { userId: '' }],
    ['a user id that is not a string', { userId: 5 }],
    ['a token that is neither a string nor a function', { token: {} }],
    ['a timeout of 0', { requestTimeoutMs: 0 }],
    ['an infinite timeout', { requestTimeoutMs: Infinity }],
    ['a timeout that is not a number', { requestTimeoutMs: '5' }],
    ['an idle time of 0', { presence: { idleAfterMs: 0 } }],
    ['an idle time that is NaN', { presence: { idleAfterMs: Number.NaN } }],
  ])('%s is a TypeError', (_title, options) => {
    expect(() => new CommClient(options as CommClientOptions)).toThrow(TypeError);
  });

  test.each<[wrong: unknown, message: string]>([
    ['https://chat.example.com', 'CommClient takes an object; got a string'],
    [{ tokn: 'x' }, 'Unknown option of CommClient "tokn": did you mean "token"?'],
    [{ encryption: { identityChanges: 'warn' } }, 'Unknown option of encryption "identityChanges": must be one of'],
    [{ encryption: true }, 'encryption takes an object; got a boolean'],
    [{ encryption: { policy: 'wran' } }, 'Unknown encryption.policy "wran": did you mean "warn"?'],
    [{ presence: { idleAfter: 5 } }, 'did you mean "idleAfterMs"?'],
    [{ calls: { iceServer: [] } }, 'did you mean "iceServers"?'],
    [{ transports: 'websocket' }, 'transports must be an array; got a string'],
    [{ transports: ['websockets'] }, 'Unknown transport "websockets": did you mean "websocket"?'],
    [{ namespace: 5 }, 'namespace must be a string; got a number'],
    [{ url: new URL('https://chat.example.com') }, 'url must be a string; got an object'],
    [{ token: 5 }, 'token must be a string or a function; got a number'],
  ])('%j is explained: %s', (wrong, message) => {
    expect(() => new CommClient(wrong as CommClientOptions)).toThrow(new TypeError(message).message);
    expect(() => new CommClient(wrong as CommClientOptions)).toThrow(TypeError);
  });

  test('automatic presence can be turned off', () => {
    expect(resolveOptions({ presence: { idleAfterMs: false } }).idleAfterMs).toBe(false);
  });
});

describe('listening', () => {
  const client = new CommClient();
  const wrong = (value: unknown): never => value as never;

  test.each(['on', 'once', 'off'] as const)('%s() names the nearest event for an unknown one', (method) => {
    expect(() => void client[method](wrong('message:created'), () => undefined)).toThrow(TypeError);
    expect(() => void client[method](wrong('mesage:new'), () => undefined)).toThrow('did you mean "message:new"?');
    expect(() => void client[method](wrong('call:incoming'), () => undefined)).toThrow('Unknown event "call:incoming"');
    expect(() => void client[method](wrong(undefined), () => undefined)).toThrow('event must be one of');
  });

  test.each(['on', 'once', 'off'] as const)('%s() rejects a missing listener', (method) => {
    expect(() => void client[method]('status', wrong(undefined))).toThrow(
      new TypeError('The listener of "status" must be a function; got undefined'),
    );
  });
});

describe('any push', () => {
  const EVENTS = [
    'message:new',
    'message:updated',
    'message:deleted',
    'message:status',
    'message:reaction-update',
    'message:forwarded',
    'message:error',
    'error',
    'typing:update',
    'presence:changed',
    'conversation:new',
    'conversation:updated',
    'conversation:left',
    'read-receipt:update',
    'call:incoming',
    'comm:hello',
    'status',
    'message:pending',
    'message:failed',
    '__proto__',
    'toString',
  ];
  const FIELDS = [
    'id',
    'messageId',
    'conversationId',
    'userId',
    'senderId',
    'content',
    'seq',
    'rev',
    'status',
    'readBy',
    'reactions',
    'isTyping',
    'participants',
    'head',
    'lastMessage',
    'code',
    'clientId',
  ];
  const leaf = fc.oneof(
    fc.constantFrom('c', 'm', '1', 'bob', 'read', ''),
    fc.integer({ min: -1, max: 5 }),
    fc.boolean(),
    fc.constant(null),
  );
  const data = fc.oneof(
    fc.anything(),
    fc.dictionary(
      fc.constantFrom(...FIELDS),
      fc.oneof(
        { weight: 5, arbitrary: leaf },
        fc.array(leaf),
        fc.dictionary(fc.constantFrom(...FIELDS), leaf),
        fc.anything(),
      ),
    ),
  );

  test.each([true, false])(
    'never throws and never causes an event of the client itself (our server: %s)',
    async (isOurs) => {
      const socket = new FakeSocket();
      socket.answer = (event) =>
        event === 'nk:sync'
          ? { ok: true, data: { inboxRev: 1, conversations: [], gained: [], heads: {}, lost: [], reads: [] } }
          : undefined;
      const clock = manualClock();
      const fetch = () => Promise.resolve(new Response('[]'));
      const client = new CommClient({ socket, clock, storage: memoryStorage(), userId: 'alice', fetch });
      const own: unknown[] = [];
      const connecting = client.connect();
      await settle();
      socket.open();
      if (isOurs) socket.hello();
      else clock.advance(1_000);
      await connecting;
      client.conversations.inbox.subscribe(() => undefined);
      const view = client.conversations.open('c');
      view.subscribe(() => undefined);
      await settle();
      client.on('status', (status) => own.push(status));
      client.on('message:pending', (message) => own.push(message));
      client.on('message:failed', (failed) => own.push(failed));
      fc.assert(
        fc.property(
          fc.constantFrom(
            ...EVENTS.filter((event) => event !== 'error' && event !== 'message:error' && event !== 'comm:hello'),
          ),
          data,
          (event, payload) => {
            socket.push(event, payload);
          },
        ),
        { numRuns: 3_000 },
      );
      await settle();
      expect(own).toEqual([]);
      expect(client.status).toBe('connected');
      await client[Symbol.asyncDispose]();
      expect(clock.pending).toBe(0);
    },
  );
});
