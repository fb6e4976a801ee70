import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock, type Clock } from '../../../src/lib/clock.ts';
import { RestClient } from '../../../src/transport/rest-client.ts';
import { settle } from '../../helpers/client/fake-socket.ts';
import { TokenSource, type Token } from '../../../src/transport/token-source.ts';
import { manualClock } from '../../helpers/manual-clock.ts';

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
  clock = systemClock,
  url = baseUrl,
}: { token?: Token; userId?: string; clock?: Clock; url?: string } = {}): RestClient {
  const tokens = new TokenSource(token);
  return new RestClient({ baseUrl: url, fetch, clock, tokens, userId: () => userId, timeoutMs: 5_000 });
}

describe('requests', () => {
  test('contain the route, the encoded id and the defined query parameters', async () => {
    handle = (_seen, response) => json(response, 200, [{ id: '1' }]);
    const query = { limit: 5, before: undefined, q: 'a b&c' };
    expect(await client().ask('listMessages', { id: 'a/b?c d', query })).toEqual([{ id: '1' }]);
    expect(seen[0]).toMatchObject({
      method: 'GET',
      url: '/__nk_comm/conversations/a%2Fb%3Fc%20d/messages?limit=5&q=a+b%26c&caps=batch',
    });
  });

  test('have a JSON body', async () => {
    await client().ask('createConversation', { body: { type: 'direct', participantIds: ['bob'] } });
    expect(seen[0]?.body).toBe('{"type":"direct","participantIds":["bob"]}');
    expect(seen[0]?.headers['content-type']).toBe('application/json');
  });

  test('send a token in the header only, and no user id with it', async () => {
    await client({ token: () => 'secret', userId: 'alice' }).ask('listConversations');
    expect(seen[0]?.headers.authorization).toBe('Bearer secret');
    expect(seen[0]?.url).toBe('/__nk_comm/conversations?caps=batch');
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

describe('answers', () => {
  test.each([
    [
      'our own error',
      429,
      { error: { code: 'RATE_LIMITED', message: 'Slow down', retryAfterMs: 300 } },
      { code: 'RATE_LIMITED', retryAfterMs: 300, message: 'Slow down' },
    ],
    ['our own error with another status', 500, { error: { code: 'NOT_FOUND', message: 'x' } }, { code: 'NOT_FOUND' }],
    ['a string in place of an error', 401, { error: 'Unauthorized' }, { code: 'UNAUTHENTICATED' }],
    ['an unknown code', 400, { error: { code: 'DISCONNECTED' } }, { code: 'INVALID' }],
    ['a list', 403, [], { code: 'FORBIDDEN' }],
    ['null', 404, null, { code: 'NOT_FOUND' }],
    ['a wrong method', 405, {}, { code: 'NOT_FOUND' }],
    ['a request that arrived too slowly', 408, undefined, { code: 'UNAVAILABLE', retryable: true }],
    ['a conflict', 409, {}, { code: 'CONFLICT' }],
    ['a payload that is too large', 413, {}, { code: 'MESSAGE_TOO_LONG' }],
    ['a rate limit', 429, {}, { code: 'RATE_LIMITED' }],
    ['not implemented', 501, {}, { code: 'UNSUPPORTED' }],
    ['a bad gateway', 502, {}, { code: 'UNAVAILABLE' }],
    ['unavailable', 503, {}, { code: 'UNAVAILABLE' }],
    ['a gateway timeout', 504, {}, { code: 'UNAVAILABLE' }],
    ['an internal error', 500, {}, { code: 'INTERNAL' }],
    ['something else', 418, {}, { code: 'INVALID' }],
  ])('%s (%i)', async (_title, status, body, error) => {
    handle = (_seen, response) => json(response, status, body);
    await expect(client().ask('listConversations')).rejects.toMatchObject({ name: 'CommError', ...error });
  });

  test('an error page of a proxy has the code of its HTTP status', async () => {
    handle = (_seen, response) => response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Bad gateway</h1>');
    await expect(client().ask('listConversations')).rejects.toMatchObject({ code: 'UNAVAILABLE', retryable: true });
  });

  test('an answer that is not JSON is undefined', async () => {
    handle = (_seen, response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<h1>Welcome</h1>');
    expect(await client().ask('listConversations')).toBeUndefined();
  });

  test('a connection lost during the answer is DISCONNECTED with a cause', async () => {
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

  test('an unreachable server is DISCONNECTED', async () => {
    await expect(client({ url: 'http://127.0.0.1:1/__nk_comm' }).ask('listConversations')).rejects.toMatchObject({
      code: 'DISCONNECTED',
    });
  });
});

describe('timeouts and aborts', () => {
  test('a server that does not answer is TIMEOUT', async () => {
    const clock = manualClock();
    handle = () => clock.advance(5_000);
    await expect(client({ clock }).ask('listConversations')).rejects.toMatchObject({ code: 'TIMEOUT' });
  });

  test('a server that does not finish its answer is TIMEOUT', async () => {
    const clock = manualClock();
    handle = (_seen, response) => response.writeHead(200).write('[', () => clock.advance(5_000));
    await expect(client({ clock }).ask('listConversations')).rejects.toMatchObject({ code: 'TIMEOUT' });
  });

  test('an answered request leaves no timer', async () => {
    const clock = manualClock();
    await client({ clock }).ask('listConversations');
    expect(clock.pending).toBe(0);
  });

  test('a fetch function that ignores the signal does not block other requests', async () => {
    const clock = manualClock();
    let calls = 0;
    const deaf: typeof fetch = () => {
      calls += 1;
      if (calls > 6) return Promise.resolve(Response.json([]));
      if (calls === 6) queueMicrotask(() => clock.advance(5_000));
      return new Promise<never>(() => undefined);
    };
    const tokens = new TokenSource(undefined);
    const rest = new RestClient({ baseUrl, fetch: deaf, clock, tokens, userId: () => undefined, timeoutMs: 5_000 });
    const asked = await Promise.allSettled(Array.from({ length: 7 }, () => rest.ask('listConversations')));
    expect(asked.map(({ status }) => status)).toEqual([...Array<string>(6).fill('rejected'), 'fulfilled']);
  });

  test("an aborted request rejects with the signal's reason", async () => {
    const controller = new AbortController();
    const reason = { why: 'enough' };
    handle = () => controller.abort(reason);
    await expect(client().ask('listConversations', { signal: controller.signal })).rejects.toBe(reason);
  });

  test('a request with an aborted signal is not sent', async () => {
    const reason = new Error('before');
    await expect(client().ask('listConversations', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(seen).toEqual([]);
  });

  test('an abort does not wait for a pending token function', async () => {
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

  test('an expired token is replaced and the request repeated', async () => {
    let asked = 0;
    handle = ({ headers }, response) =>
      headers.authorization === 'Bearer token 2' ? json(response, 200, ['fine']) : json(response, 401, expired);
    expect(await client({ token: () => `token ${(asked += 1)}` }).ask('listConversations')).toEqual(['fine']);
  });

  test('ten concurrent requests with an expired token request one new token', async () => {
    let asked = 0;
    handle = ({ headers }, response) =>
      headers.authorization === 'Bearer token 2' ? json(response, 200, ['fine']) : json(response, 401, expired);
    const rest = client({ token: () => `token ${(asked += 1)}` });
    const answers = await Promise.all(Array.from({ length: 10 }, () => rest.ask('listConversations')));
    expect(answers).toEqual(Array.from({ length: 10 }, () => ['fine']));
    expect(asked).toBe(2);
  });

  test('a request fails after three rejected tokens', async () => {
    let asked = 0;
    handle = (_seen, response) => json(response, 401, expired);
    await expect(client({ token: () => `token ${(asked += 1)}` }).ask('listConversations')).rejects.toMatchObject({
      code: 'TOKEN_EXPIRED',
    });
    expect(asked).toBe(3);
  });

  test('a request with an expired fixed token is not repeated', async () => {
    handle = (_seen, response) => json(response, 401, expired);
    await expect(client({ token: 'fixed' }).ask('listConversations')).rejects.toMatchObject({ code: 'TOKEN_EXPIRED' });
    expect(seen).toHaveLength(1);
  });

  test('other errors do not request a new token', async () => {
    let asked = 0;
    handle = (_seen, response) => json(response, 401, { error: { code: 'UNAUTHENTICATED', message: 'x' } });
    await expect(client({ token: () => `token ${(asked += 1)}` }).ask('listConversations')).rejects.toMatchObject({
      code: 'UNAUTHENTICATED',
    });
    expect(asked).toBe(1);
  });

  test('an error of the token function is the cause of UNAUTHENTICATED', async () => {
    const cause = new Error('no network');
    const asked = client({ token: () => Promise.reject(cause) }).ask('listConversations');
    await expect(asked).rejects.toMatchObject({ name: 'CommError', code: 'UNAUTHENTICATED', cause });
  });
});

test('six requests run concurrently, the others are queued, and a queued one can be aborted', async () => {
  const waiting: (() => void)[] = [];
  const slow: typeof fetch = () =>
    new Promise((resolve) => {
      waiting.push(() => resolve(Response.json('answer')));
    });
  const rest = new RestClient({
    baseUrl: 'http://chat.example',
    fetch: slow,
    clock: systemClock,
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
