import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { RestClient } from '../../../src/transport/rest-client.ts';
import { settle } from '../../helpers/client/fake-socket.ts';
import { TokenSource, type Token } from '../../../src/transport/token-source.ts';

interface Seen {
  method: string | undefined;
  url: string | undefined;
  headers: IncomingMessage['headers'];
  body: string;
}

let server: Server;
let baseUrl: string;
let seen: Seen[];
let handle: (seen: Seen, response: ServerResponse) => void;

beforeAll(async () => {
  server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method, url, headers } = request;
      const entry = { method, url, headers, body: Buffer.concat(chunks).toString() };
      seen.push(entry);
      handle(entry, response);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/__nk_comm`;
});
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});
beforeEach(() => {
  seen = [];
  handle = (_seen, response) => json(response, 200, []);
});

function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

function client({
  token,
  userId,
  timeoutMs = 5_000,
  url = baseUrl,
}: { token?: Token; userId?: string; timeoutMs?: number; url?: string } = {}): RestClient {
  return new RestClient({ baseUrl: url, fetch, tokens: new TokenSource(token), userId: () => userId, timeoutMs });
}

describe('what is asked', () => {
  test('the route, its id as one segment, and the query without what is absent', async () => {
    handle = (_seen, response) => json(response, 200, [{ id: '1' }]);
    const query = { limit: 5, before: undefined, q: 'a b&c' };
    expect(await client().ask('listMessages', { id: 'a/b?c d', query })).toEqual([{ id: '1' }]);
    expect(seen[0]).toMatchObject({
      method: 'GET',
      url: '/__nk_comm/conversations/a%2Fb%3Fc%20d/messages?limit=5&q=a+b%26c',
    });
  });

  test('a body is JSON', async () => {
    await client().ask('createConversation', { body: { type: 'direct', participantIds: ['bob'] } });
    expect(seen[0]?.body).toBe('{"type":"direct","participantIds":["bob"]}');
    expect(seen[0]?.headers['content-type']).toBe('application/json');
  });

  test('a token goes into the header and never into the URL, and then no user id goes anywhere', async () => {
    await client({ token: () => 'secret', userId: 'alice' }).ask('listConversations');
    expect(seen[0]?.headers.authorization).toBe('Bearer secret');
    expect(seen[0]?.url).toBe('/__nk_comm/conversations');
    expect(seen[0]?.headers).not.toHaveProperty('x-user-id');
  });

  test.each([
    ['alice', 'alice'],
    ['Zoë Ω', undefined],
  ])(
    'without a token the user id %s goes into the query, and into the header where one can carry it',
    async (userId, header) => {
      await client({ userId }).ask('listConversations');
      expect(new URL(seen[0]?.url ?? '', baseUrl).searchParams.get('userId')).toBe(userId);
      expect(seen[0]?.headers['x-user-id']).toBe(header);
    },
  );
});

describe('what is answered', () => {
  test.each([
    [
      'our own error',
      429,
      { error: { code: 'RATE_LIMITED', message: 'Slow down', retryAfterMs: 300 } },
      { code: 'RATE_LIMITED', retryAfterMs: 300, message: 'Slow down' },
    ],
    ['our own error with another status', 500, { error: { code: 'NOT_FOUND', message: 'x' } }, { code: 'NOT_FOUND' }],
    ['a text for an error', 401, { error: 'Unauthorized' }, { code: 'UNAUTHENTICATED' }],
    ['a code that no server has', 400, { error: { code: 'DISCONNECTED' } }, { code: 'INVALID' }],
    ['a list', 403, [], { code: 'FORBIDDEN' }],
    ['null', 404, null, { code: 'NOT_FOUND' }],
    ['a wrong method', 405, {}, { code: 'NOT_FOUND' }],
    ['a conflict', 409, {}, { code: 'CONFLICT' }],
    ['too much', 413, {}, { code: 'MESSAGE_TOO_LONG' }],
    ['too often', 429, {}, { code: 'RATE_LIMITED' }],
    ['not implemented', 501, {}, { code: 'UNSUPPORTED' }],
    ['a bad gateway', 502, {}, { code: 'UNAVAILABLE' }],
    ['unavailable', 503, {}, { code: 'UNAVAILABLE' }],
    ['a gateway that waited', 504, {}, { code: 'UNAVAILABLE' }],
    ['a failure', 500, {}, { code: 'INTERNAL' }],
    ['something else', 418, {}, { code: 'INVALID' }],
  ])('%s (%i)', async (_title, status, body, error) => {
    handle = (_seen, response) => json(response, status, body);
    await expect(client().ask('listConversations')).rejects.toMatchObject({ name: 'CommError', ...error });
  });

  test('an error page of a proxy is an error with the code of its status', async () => {
    handle = (_seen, response) => response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Bad gateway</h1>');
    await expect(client().ask('listConversations')).rejects.toMatchObject({ code: 'UNAVAILABLE', retryable: true });
  });

  test('a page that is no JSON is nothing, and no exception', async () => {
    handle = (_seen, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Welcome</h1>');
    expect(await client().ask('listConversations')).toBeUndefined();
  });

  test('a connection that breaks in the middle is DISCONNECTED, with its cause', async () => {
    handle = (_seen, response) => {
      response.writeHead(200, { 'content-length': '100' }).write('[');
      response.destroy();
    };
    const error: unknown = await client()
      .ask('listConversations')
      .catch((cause: unknown) => cause);
    expect(error).toMatchObject({ code: 'DISCONNECTED', retryable: true });
    expect(error).toHaveProperty('cause');
    expect(error).toHaveProperty('fix');
  });

  test('a server that is not there is DISCONNECTED', async () => {
    await expect(client({ url: 'http://127.0.0.1:1/__nk_comm' }).ask('listConversations')).rejects.toMatchObject({
      code: 'DISCONNECTED',
    });
  });
});

describe('waiting', () => {
  test('a server that does not answer in time is TIMEOUT', async () => {
    handle = () => undefined;
    await expect(client({ timeoutMs: 30 }).ask('listConversations')).rejects.toMatchObject({ code: 'TIMEOUT' });
  });

  test('so is one that does not finish its answer', async () => {
    handle = (_seen, response) => response.writeHead(200).write('[');
    await expect(client({ timeoutMs: 30 }).ask('listConversations')).rejects.toMatchObject({ code: 'TIMEOUT' });
  });

  test('an app’s fetch that heeds no signal keeps nobody else waiting', async () => {
    let calls = 0;
    const deaf: typeof fetch = (input, init) =>
      (calls += 1) <= 6 ? new Promise<never>(() => undefined) : fetch(input, init);
    const tokens = new TokenSource(undefined);
    const rest = new RestClient({ baseUrl, fetch: deaf, tokens, userId: () => undefined, timeoutMs: 30 });
    const asked = await Promise.allSettled(Array.from({ length: 7 }, () => rest.ask('listConversations')));
    expect(asked.map(({ status }) => status)).toEqual([...Array<string>(6).fill('rejected'), 'fulfilled']);
  });

  test("an abort rejects with the signal's own reason", async () => {
    const controller = new AbortController();
    const reason = { why: 'enough' };
    handle = () => controller.abort(reason);
    await expect(client().ask('listConversations', { signal: controller.signal })).rejects.toBe(reason);
  });

  test('an aborted signal asks nothing', async () => {
    const reason = new Error('before');
    await expect(client().ask('listConversations', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(seen).toEqual([]);
  });

  test('an abort does not wait for a token function that hangs', async () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const asked = client({ token: () => new Promise(() => undefined) }).ask('listConversations', {
      signal: controller.signal,
    });
    controller.abort(reason);
    await expect(asked).rejects.toBe(reason);
  });
});

describe('tokens', () => {
  const expired = { error: { code: 'TOKEN_EXPIRED', message: 'The token has expired' } };

  test('an expired token is replaced, and the request repeated', async () => {
    let asked = 0;
    handle = ({ headers }, response) =>
      headers.authorization === 'Bearer token 2' ? json(response, 200, ['fine']) : json(response, 401, expired);
    expect(await client({ token: () => `token ${(asked += 1)}` }).ask('listConversations')).toEqual(['fine']);
  });

  test('ten requests that meet the same expired token ask for one new token', async () => {
    let asked = 0;
    handle = ({ headers }, response) =>
      headers.authorization === 'Bearer token 2' ? json(response, 200, ['fine']) : json(response, 401, expired);
    const rest = client({ token: () => `token ${(asked += 1)}` });
    const answers = await Promise.all(Array.from({ length: 10 }, () => rest.ask('listConversations')));
    expect(answers).toEqual(Array.from({ length: 10 }, () => ['fine']));
    expect(asked).toBe(2);
  });

  test('after three tokens it is the end', async () => {
    let asked = 0;
    handle = (_seen, response) => json(response, 401, expired);
    await expect(client({ token: () => `token ${(asked += 1)}` }).ask('listConversations')).rejects.toMatchObject({
      code: 'TOKEN_EXPIRED',
    });
    expect(asked).toBe(3);
  });

  test('a fixed token that has expired is not tried again', async () => {
    handle = (_seen, response) => json(response, 401, expired);
    await expect(client({ token: 'fixed' }).ask('listConversations')).rejects.toMatchObject({ code: 'TOKEN_EXPIRED' });
    expect(seen).toHaveLength(1);
  });

  test('another refusal is not answered with a new token', async () => {
    let asked = 0;
    handle = (_seen, response) => json(response, 401, { error: { code: 'UNAUTHENTICATED', message: 'x' } });
    await expect(client({ token: () => `token ${(asked += 1)}` }).ask('listConversations')).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
    });
    expect(asked).toBe(1);
  });

  test("the app's own error while fetching a token is the cause of ours", async () => {
    const cause = new Error('no network');
    const asked = client({ token: () => Promise.reject(cause) }).ask('listConversations');
    await expect(asked).rejects.toMatchObject({ name: 'CommError', code: 'UNAUTHENTICATED', cause });
  });
});

test('six are asked at once, the others in turn, and whoever gives up is not kept waiting', async () => {
  const waiting: (() => void)[] = [];
  const slow: typeof fetch = () =>
    new Promise((resolve) => {
      waiting.push(() => resolve(Response.json('answer')));
    });
  const rest = new RestClient({
    baseUrl: 'http://chat.example',
    fetch: slow,
    tokens: new TokenSource(undefined),
    userId: () => 'alice',
    timeoutMs: 5_000,
  });
  const answers = Array.from({ length: 8 }, () => rest.ask('listConversations'));
  const controller = new AbortController();
  const given = rest.ask('listConversations', { signal: controller.signal });
  await settle();
  expect(waiting).toHaveLength(6);
  controller.abort(new Error('enough'));
  await expect(given).rejects.toThrow('enough');
  waiting[0]?.();
  await settle();
  expect(waiting).toHaveLength(7);
  for (const answer of answers) {
    for (const each of waiting) each();
    await settle();
    expect(await answer).toBe('answer');
  }
});
