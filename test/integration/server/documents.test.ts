import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { silentLogger } from '../../../src/lib/logger.ts';
import type { Message } from '../../../src/protocol/messages.ts';
import type { RequestName, RequestOf, ResponseOf } from '../../../src/protocol/events.ts';
import { createCommunicationRoutes } from '../../../src/server/routes.ts';
import { CommunicationStore } from '../../../src/server/cluster/memory-ephemera.ts';
import type { AsyncApi } from '../../../src/server/documents/generate/async-api.ts';
import type { OpenApi } from '../../../src/server/documents/generate/open-api.ts';
import { serverCoreFor } from '../../../src/server/server-core.ts';
import { openDatabase } from '../../../src/server/store/engine/open.ts';
import { manualClock } from '../../helpers/manual-clock.ts';
import type { CheckedClient } from '../../helpers/server/checked-client.ts';
import { startServer, type TestServer } from '../../helpers/server/comm-server.ts';
import { operationsOf, RestContract, SocketContract } from '../../helpers/server/documents.ts';
import { partsIn, startDirect } from '../../helpers/server/direct-uploads.ts';
import { startFileServer, type FileServer } from '../../helpers/server/files.ts';

const REST = '/__nk_comm';

async function documentOf<T>(url: string, name: 'openapi' | 'asyncapi', restPath = REST): Promise<T> {
  return (await (await fetch(`${url}${restPath}/${name}.json`)).json()) as T;
}

describe('the documents', () => {
  test.each(['openapi', 'asyncapi'])('%s.json is served to everyone, and cacheable', async (name) => {
    await using server = await startServer({ auth: () => Promise.resolve(undefined) });
    const first = await fetch(`${server.url}${REST}/${name}.json`);
    expect(first.status).toBe(200);
    expect(first.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(first.headers.get('cache-control')).toBe('public, max-age=300');
    const text = await first.text();
    expect(JSON.parse(text)).toHaveProperty(name);
    const etag = first.headers.get('etag') ?? '';
    const again = await fetch(`${server.url}${REST}/${name}.json`, { headers: { 'if-none-match': etag } });
    expect([again.status, await again.text()]).toEqual([304, '']);
    const head = await fetch(`${server.url}${REST}/${name}.json`, { method: 'HEAD' });
    expect(head.headers.get('content-length')).toBe(String(Buffer.byteLength(text)));
    const posted = await fetch(`${server.url}${REST}/${name}.json`, { method: 'POST' });
    expect(posted.status).toBe(404);
  });

  test('name the paths of the server', async () => {
    const config = { restPath: '/api/comm', path: '/sockets/', namespace: '/nk/chat' };
    await using server = await startServer({ config });
    const { servers } = await documentOf<OpenApi>(server.url, 'openapi', config.restPath);
    expect(servers).toEqual([{ url: '/api/comm' }]);
    const asyncapi = await documentOf<AsyncApi>(server.url, 'asyncapi', config.restPath);
    expect(asyncapi.servers.server.pathname).toBe('/sockets/');
    expect(asyncapi.channels.socket.address).toBe('/nk/chat');
    expect((await fetch(`${server.url}${REST}/openapi.json`)).status).toBe(404);
  });

  test('are charged to the address of the peer, apart from the requests of users', async () => {
    const clock = manualClock();
    await using server = await startServer({ clock, trustProxy: 1, limits: { requests: { burst: 6, perSecond: 1 } } });
    const load = (address: string): Promise<Response> =>
      fetch(`${server.url}${REST}/asyncapi.json`, { headers: { 'x-forwarded-for': address } });
    expect((await load('192.0.2.1')).status).toBe(200);
    const refused = await load('192.0.2.1');
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await refused.json()).toMatchObject({ error: { code: 'RATE_LIMITED' } });
    expect((await load('192.0.2.2')).status).toBe(200);
    expect((await server.rest('/conversations', 'ann')).status).toBe(200);
    clock.advance(60_000);
    expect((await load('192.0.2.1')).status).toBe(200);
  });

  test('are served by the REST routes of another server too', async () => {
    const db = openDatabase(':memory:');
    const routes = createCommunicationRoutes({ db, store: new CommunicationStore(), logger: silentLogger });
    const answer = await routes(new Request(`http://comm.test${REST}/openapi.json`));
    expect(await answer.json()).toHaveProperty('openapi', '3.1.0');
    serverCoreFor({ db }).close();
    db.close();
  });
});

describe('the OpenAPI document describes what the server answers', () => {
  let files: FileServer;
  let contract: RestContract;
  let message: Message;
  beforeAll(async () => {
    files = await startFileServer({ config: { linkPreviews: true, userSearch: true } });
    contract = new RestContract(await documentOf<OpenApi>(files.url, 'openapi'));
    const { conversationId, ann } = files;
    const attachment = await files.upload(Buffer.from('a file'));
    await ann.ask('message:send', { conversationId, content: 'with a file', type: 'file', attachment });
    message = await ann.ask('message:send', { conversationId, content: 'hello there', type: 'text' });
    await files.bob.ask('message:react', { conversationId, messageId: message.id, emoji: '👍', on: true });
    await files.bob.ask('message:read', { conversationId, messageId: message.id });
    await ann.ask('message:pin', { conversationId, messageId: message.id, pinned: true });
  });
  afterAll(() => files[Symbol.asyncDispose]());

  async function faults(method: string, path: string, init: RequestInit & { json?: unknown } = {}): Promise<string[]> {
    const { json, headers, ...rest } = init;
    const request = new Request(`${files.url}${REST}${path}`, {
      method,
      ...rest,
      ...(json !== undefined && { body: JSON.stringify(json) }),
      headers: {
        'x-user-id': 'ann',
        ...(json !== undefined && { 'content-type': 'application/json' }),
        ...(headers as Record<string, string>),
      },
    });
    return await contract.faults(request.clone(), REST, await fetch(request), json);
  }

  test('every operation, at least once', async () => {
    const { conversationId } = files;
    const tus = { 'tus-resumable': '1.0.0' };
    const upload = async (): Promise<string> => (await files.begin({ size: 5 })).uploadUrl.slice(REST.length);
    const [whole, resumed, cancelled] = [await upload(), await upload(), await upload()];
    const { url } = await files.upload(Buffer.from('content'));
    const file = url.slice(REST.length);
    const requests: Parameters<typeof faults>[] = [
      ['GET', '/conversations?limit=10&offset=0'],
      ['GET', '/conversations?paged=true'],
      ['POST', '/conversations', { json: { type: 'group', name: 'Lunch', participantIds: ['bob', 'cem'] } }],
      ['POST', '/conversations', { json: { type: 'direct', participantIds: ['bob'] } }],
      ['GET', `/conversations/${conversationId}`],
      ['GET', `/conversations/${conversationId}/members?limit=1`],
      ['GET', `/conversations/${conversationId}/bans?limit=1`],
      ['GET', `/conversations/${conversationId}/messages?limit=50`],
      ['GET', `/conversations/${conversationId}/messages?paged=true&around=${message.id}`],
      ['GET', `/conversations/${conversationId}/changes?after=0`],
      ['GET', `/conversations/${conversationId}/pinned?limit=5`],
      ['GET', '/messages/search?q=hello&paged=true'],
      ['GET', `/messages/search?q=hello&conversationId=${conversationId}`],
      ['GET', `/messages/${message.id}`],
      ['DELETE', `/messages/${message.id}`],
      ['POST', '/link-preview', { json: { text: 'no link' } }],
      ['GET', '/users/search?query=bo&limit=5'],
      ['GET', '/users/bob'],
      ['GET', file],
      ['GET', file, { headers: { range: 'bytes=0-2' } }],
      ['HEAD', file],
      ['PUT', whole, { body: 'bytes', headers: { 'content-type': 'application/octet-stream' } }],
      ['HEAD', resumed, { headers: tus }],
      [
        'PATCH',
        resumed,
        { body: 'bytes', headers: { ...tus, 'upload-offset': '0', 'content-type': 'application/offset+octet-stream' } },
      ],
      ['DELETE', cancelled, { headers: tus }],
      ['GET', '/openapi.json'],
      ['GET', '/asyncapi.json'],
    ];
    const found: string[] = [];
    for (const request of requests) found.push(...(await faults(...request)));
    expect(found).toEqual([]);
    const all = operationsOf(await documentOf<OpenApi>(files.url, 'openapi'));
    const missing = all.map(({ operation }) => operation.operationId).filter((id) => !contract.answered.has(id));
    // Only direct uploads have parts: the next test.
    expect(missing).toEqual(['listUploadParts']);
  });

  test('the parts of a direct upload', async () => {
    await using direct = await startDirect();
    const { uploadUrl } = await direct.files.begin({ size: 20_000_000 });
    const answer = await fetch(direct.files.url + uploadUrl);
    const parts = await partsIn(answer.clone());
    expect(parts.missing.length).toBeGreaterThan(0);
    expect(await contract.faults(new Request(direct.files.url + uploadUrl), REST, answer)).toEqual([]);
  });

  test('refusals', async () => {
    const long = 'x'.repeat(300);
    expect(await faults('GET', '/conversations?limit=0')).toEqual([]);
    expect(await faults('GET', '/conversations/nowhere')).toEqual([]);
    expect(await faults('GET', '/messages/search')).toEqual([]);
    expect(await faults('POST', '/conversations', { json: { type: 'direct', participantIds: [long] } })).toEqual([]);
    expect(await faults('POST', '/link-preview', { json: { text: 'x'.repeat(1_100_000) } })).toEqual([]);
    for (const { method, path } of operationsOf(await documentOf<OpenApi>(files.url, 'openapi'))) {
      const target = path
        .replace('/files/{id}', `/files/${crypto.randomUUID()}`)
        .replace('/uploads/{id}', '/uploads/x');
      const request = new Request(`${files.url}${REST}${target.replaceAll(/\{\w+\}/g, 'x')}`, { method });
      if (target.startsWith('/uploads')) continue;
      expect(await contract.faults(request, REST, await fetch(request))).toEqual([]);
    }
  });

  test.each([
    ['a page of no rows', 'GET', '/conversations?limit=0', undefined],
    ['a page of too many rows', 'GET', '/conversations?limit=202', undefined],
    ['another value than true', 'GET', '/conversations?paged=yes', undefined],
    ['a search for nothing', 'GET', '/messages/search', undefined],
    ['a long id in a query', 'GET', `/messages/search?q=x&conversationId=${'x'.repeat(257)}`, undefined],
    ['an unknown type', 'POST', '/conversations', { type: 'trio', participantIds: ['bob'] }],
    ['a missing list', 'POST', '/conversations', { type: 'group' }],
    ['a control character in an id', 'POST', '/conversations', { type: 'group', participantIds: ['a\u0000b'] }],
    ['a long name', 'POST', '/conversations', { type: 'group', participantIds: ['bob'], name: 'x'.repeat(201) }],
    ['a number instead of a text', 'POST', '/link-preview', { text: 1 }],
  ])('%s is refused by the server and by the document', async (_, method, path, body) => {
    const target = new URL(`${files.url}${REST}${path}`);
    const answer = await files.server.rest(path, 'ann', {
      method,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
    expect(answer.status).toBe(400);
    const { operation } = contract.operation(method, target.pathname.slice(REST.length));
    expect(contract.inputFaults(operation, target.searchParams, body)).not.toEqual([]);
  });

  test('files and uploads support the documented methods and no others', async () => {
    const { uploadUrl } = await files.begin({ size: 5 });
    const { url } = await files.upload(Buffer.from('content'));
    const operations = operationsOf(await documentOf<OpenApi>(files.url, 'openapi'));
    for (const [target, place, unsupported] of [
      [url, '/files/', 404],
      [uploadUrl, '/uploads/', 501],
    ] as const) {
      const documented = new Set(operations.filter(({ path }) => path.startsWith(place)).map(({ method }) => method));
      for (const method of ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'POST', 'QUERY']) {
        const answer = await fetch(files.url + target, { method, headers: { 'x-user-id': 'ann' } });
        // GET is for direct uploads; of others it is unsupported.
        if (place === '/uploads/' && method === 'GET') continue;
        expect([method, answer.status === unsupported]).toEqual([method, !documented.has(method)]);
      }
    }
  });
});

describe('the AsyncAPI document describes what the server sends', () => {
  let server: TestServer;
  let contract: SocketContract;
  const found: string[] = [];
  beforeAll(async () => {
    server = await startServer();
    contract = new SocketContract(await documentOf<AsyncApi>(server.url, 'asyncapi'));
  });
  afterAll(() => server[Symbol.asyncDispose]());

  async function connect(userId: string): Promise<CheckedClient> {
    const client = await server.connect(userId);
    client.socket.on('nk:data', ({ event, data }: { event: string; data: unknown }) => {
      found.push(...contract.faults('push', event, { event, data }));
      if (event !== 'batch') return;
      for (const push of (data as { pushes: { event: string }[] }).pushes) {
        found.push(...contract.faults('push', push.event, push));
      }
    });
    return client;
  }

  async function ask<K extends RequestName>(
    client: CheckedClient,
    name: K,
    request: RequestOf<K>,
  ): Promise<ResponseOf<K>> {
    found.push(...contract.faults('request', name, request));
    const reply = await client.raw(name, request);
    found.push(...contract.faults('reply', name, reply));
    if (!reply.ok) throw new Error(`${name}: ${reply.error.message}`);
    return reply.data as ResponseOf<K>;
  }

  test('in a conversation', async () => {
    const ann = await connect('ann');
    const bob = await connect('bob');
    const { id: conversationId } = await ask(ann, 'conversation:create', { type: 'group', participantIds: ['bob'] });
    await bob.next('conversation:new');
    await ask(ann, 'conversation:join', { conversationId });
    const { id: messageId, seq = 0 } = await ask(ann, 'message:send', { conversationId, content: 'hi', type: 'text' });
    await bob.next('message:new');
    await ask(bob, 'message:delivered', { conversationId, seq });
    await ask(bob, 'message:read', { conversationId, messageId });
    await ask(bob, 'message:react', { conversationId, messageId, emoji: '👍', on: true });
    await ann.next('message:reaction-update');
    await ask(ann, 'message:edit', { conversationId, messageId, content: 'hi there' });
    await bob.next('message:updated');
    await ask(ann, 'typing:start', { conversationId });
    await bob.next('typing:update');
    const reply = { conversationId, content: 'in a thread', type: 'text', threadId: messageId } as const;
    const { id: replyId } = await ask(ann, 'message:send', { ...reply, mentions: ['bob'], metadata: { tag: 1 } });
    await bob.next('message:new', ({ id }) => id === replyId);
    await ask(bob, 'thread:read', { conversationId, threadId: messageId, messageId: replyId });
    await ask(bob, 'conversation:mark-unread', { conversationId, messageId });
    await ask(ann, 'message:pin', { conversationId, messageId, pinned: true });
    await ask(bob, 'message:report', { conversationId, messageId, reason: 'spam' });
    await ask(bob, 'user:get', { userIds: ['ann'] });
    await ask(bob, 'user:block', { userId: 'cem', blocked: true });
    await bob.next('user:block-changed');
    await ask(ann, 'conversation:set-role', { conversationId, userId: 'bob', role: 'admin' });
    await bob.next('conversation:updated');
    await ask(ann, 'sync', { cursors: { [conversationId]: 0 }, inboxRev: 0 });
    await ask(ann, 'presence:watch', { userIds: ['bob'] });
    await ask(ann, 'batch', { requests: [{ name: 'message:read', payload: { conversationId, messageId } }] });
    await ask(ann, 'comm:ping', {});
    await ask(ann, 'call:ice-servers', {});
    const call = await ask(ann, 'call:initiate', { conversationId, type: 'audio', calleeIds: ['bob'] });
    await bob.next('call:incoming');
    await ask(bob, 'call:respond', { callId: call.id, action: 'reject' });
    await ask(ann, 'message:delete', { conversationId, messageId });
    await bob.next('message:deleted');
    await ask(ann, 'conversation:remove-participant', { conversationId, userId: 'bob' });
    await bob.next('conversation:left');
    expect(found).toEqual([]);
    expect([...contract.met]).toEqual(
      expect.arrayContaining(['push.message.new', 'push.conversation.updated', 'push.call.incoming', 'reply.sync']),
    );
  });

  test('when it refuses a request', async () => {
    const ann = await server.connect('ann');
    for (const name of ['message:send', 'conversation:update', 'call:initiate'] as const) {
      const reply = await ann.raw(name, {});
      expect(reply.ok).toBe(false);
      expect(contract.faults('reply', name, reply)).toEqual([]);
      expect(contract.faults('request', name, {})).not.toEqual([]);
    }
  });
});
