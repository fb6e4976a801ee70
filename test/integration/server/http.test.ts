import { once } from 'node:events';
import { request } from 'node:http';
import { describe, expect, test } from 'vitest';
import { openSocket } from '../../helpers/server/checked-client.ts';
import { startServer } from '../../helpers/server/comm-server.ts';

const APP = 'https://app.example.com';

describe('cross-origin requests', () => {
  test('a listed origin may use REST and gets CORS headers', async () => {
    await using server = await startServer({ origin: APP });
    const preflight = await fetch(`${server.url}/__nk_comm/conversations`, {
      method: 'OPTIONS',
      headers: { origin: APP, 'access-control-request-method': 'POST' },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-origin')).toBe(APP);
    expect(preflight.headers.get('access-control-allow-headers')).toMatch(/Authorization/);
    const response = await server.rest('/conversations', 'alice', { headers: { origin: APP } });
    expect(response.status).toBe(200);
    expect(response.headers.get('access-control-allow-origin')).toBe(APP);
    expect(response.headers.get('vary')).toMatch(/Origin/i);
  });

  test("an origin that isn't listed is rejected before the request is handled", async () => {
    await using server = await startServer();
    const response = await server.rest('/conversations', 'alice', { headers: { origin: 'https://evil.example' } });
    expect([response.status, await response.json()]).toMatchObject([403, { error: { code: 'FORBIDDEN' } }]);
    expect(response.headers.get('access-control-allow-origin')).toBeNull();
  });

  test('a page of an origin that is not listed can read why its handshake is rejected, and nothing else', async () => {
    await using server = await startServer({ origin: APP });
    const ask = (origin: string, query: string) =>
      fetch(`${server.url}/__nk_socketio/?EIO=4&transport=polling${query}`, { headers: { origin } });
    for (const query of ['', '&sid=unknown']) {
      const rejected = await ask('https://evil.example', query);
      expect([rejected.status, await rejected.json()]).toMatchObject([403, { error: { code: 'FORBIDDEN' } }]);
      expect(rejected.headers.get('access-control-allow-origin')).toBe('*');
    }
    const unknown = await ask(APP, '&sid=unknown');
    expect([unknown.status, unknown.headers.get('access-control-allow-origin')]).toEqual([400, APP]);
  });

  test.each(['websocket', 'polling'] as const)('that are not listed get no socket by %s', async (transport) => {
    await using server = await startServer({ origin: APP });
    const dial = (origin: string) =>
      openSocket(server.url, { userId: 'alice', transports: [transport], headers: { origin } });
    const evil = dial('https://evil.example');
    const good = dial(APP);
    try {
      await Promise.all([
        new Promise((resolve) => evil.once('connect_error', resolve)),
        new Promise<void>((resolve) => good.once('connect', resolve)),
      ]);
      expect(evil.connected).toBe(false);
    } finally {
      evil.disconnect();
      good.disconnect();
    }
  });
});

test('DNS rebinding to the loopback address reads nothing in development mode', async () => {
  await using server = await startServer();
  const statusOf = async (path: string): Promise<number | undefined> => {
    const headers = { host: 'evil.example:3000', 'x-user-id': 'alice' };
    const sent = request({ host: '127.0.0.1', port: server.server.port, path, headers }).end();
    const [response] = (await once(sent, 'response')) as [{ statusCode?: number; resume(): void }];
    response.resume();
    return response.statusCode;
  };
  expect(await statusOf('/__nk_comm/conversations')).toBe(403);
  expect(await statusOf('/__nk_socketio/?EIO=4&transport=polling&userId=alice')).toBe(403);
});

test('requests outside the protocol are handled by the app', async () => {
  await using server = await startServer({
    fetch: async (incoming) =>
      new Response(`${incoming.method} ${new URL(incoming.url).pathname} ${await incoming.text()}`, {
        headers: [
          ['set-cookie', 'a=1'],
          ['set-cookie', 'b=2'],
          ['x-frame-options', 'SAMEORIGIN'],
        ],
      }),
  });
  const response = await fetch(`${server.url}/page`, { method: 'POST', body: 'hello' });
  expect(await response.text()).toBe('POST /page hello');
  expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2']);
  expect(response.headers.get('x-frame-options')).toBe('SAMEORIGIN');
  expect(response.headers.get('x-content-type-options')).toBe('nosniff');
});

test('without an app, requests outside the protocol get 404', async () => {
  await using server = await startServer();
  const response = await fetch(`${server.url}/page`);
  expect([response.status, await response.json()]).toMatchObject([404, { error: { code: 'NOT_FOUND' } }]);
});

test('a failing app handler gets status 500', async () => {
  await using server = await startServer({ fetch: () => Promise.reject(new Error('secret of the app')) });
  const response = await fetch(`${server.url}/page`);
  expect(response.status).toBe(500);
  expect(await response.text()).not.toContain('secret');
});

test('HEAD returns the headers of GET without a body', async () => {
  await using server = await startServer();
  const response = await fetch(`${server.url}/healthz`, { method: 'HEAD' });
  expect([response.status, await response.text()]).toEqual([200, '']);
});

test.each(['//evil.example/x', 'http://[', '*', '/%E0%A4%A'])('the request target %s is answered', async (path) => {
  await using server = await startServer();
  const sent = request({ host: '127.0.0.1', port: server.server.port, path, method: 'GET' }).end();
  const [response] = (await once(sent, 'response')) as [{ statusCode?: number; resume(): void }];
  response.resume();
  expect(response.statusCode).toBeGreaterThanOrEqual(400);
  expect(response.statusCode).toBeLessThan(500);
});
