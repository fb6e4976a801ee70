import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { chromium, type Browser, type Page } from 'playwright';
import { afterAll, beforeAll, expect, inject, onTestFinished, test } from 'vitest';
import { launchOptions } from '../../scripts/chromium.ts';
import type { CommClientOptions, CommError } from '../../src/index.ts';
import { jwtAuth, type CommServerOptions } from '../../src/server/index.ts';
import { freePort } from '../helpers/documentation/run-snippet.ts';
import { startServer } from '../helpers/server/comm-server.ts';
import { PATIENCE_MS } from './browser.ts';
import { serveFiles } from './serve-files.ts';

let browser: Browser;
let page: Page;
let pageOrigin: string;
beforeAll(async () => {
  browser = await chromium.launch(launchOptions());
  const files = await startServer({ fetch: serveFiles(inject('pageDirectory')) });
  pageOrigin = files.url;
  page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  await page.goto(`${pageOrigin}/?idle&user=alice`);
  return () => files[Symbol.asyncDispose]();
});
afterAll(() => browser.close());

/** Starts a server that accepts tokens, and only listed origins. */
async function serve(options: CommServerOptions = {}): Promise<string> {
  const auth = jwtAuth({ secret: 'a secret that is long enough for HS256' });
  const server = await startServer({ auth, ...options });
  onTestFinished(() => server[Symbol.asyncDispose]());
  return server.url;
}

/** Serves a website that knows neither Socket.IO nor CORS. */
async function serveWebsite(): Promise<string> {
  const server = createServer((_request, response) => response.end('<h1>Welcome</h1>')).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

type Where = Pick<CommClientOptions, 'url' | 'path' | 'transports'>;

/** Connects from the page and returns why the first attempt failed. */
async function failureOf(options: Where): Promise<Pick<CommError, 'reason' | 'message'>> {
  return await page.evaluate(async (given) => {
    const { client } = new Chat({ token: 'no token', ...given });
    const failed = new Promise<CommError>((resolve) => {
      client.connection.subscribe(() => {
        const { lastError } = client.connection.getSnapshot();
        if (lastError !== undefined) resolve(lastError);
      });
    });
    client.connect().catch(() => undefined);
    const { reason, message } = await failed;
    await client[Symbol.asyncDispose]();
    return { reason, message };
  }, options);
}

type Cause = readonly [reason: string, what: string, options: () => Promise<Where>];
const CAUSES: readonly Cause[] = [
  [
    'token-malformed',
    'the origin is allowed and the token is none',
    async () => ({ url: await serve({ origin: pageOrigin }) }),
  ],
  ['origin-refused', 'the server does not list the origin', async () => ({ url: await serve() })],
  ['origin-refused', 'by polling, too', async () => ({ url: await serve(), transports: ['polling'] })],
  ['origin-refused', 'another server does not know CORS', async () => ({ url: await serveWebsite() })],
  ['unreachable', 'no server listens', async () => ({ url: `http://127.0.0.1:${await freePort()}` })],
  ['wrong-path', '`path` is wrong', async () => ({ url: await serve({ origin: pageOrigin }), path: '/socket.io/' })],
  [
    'wrong-path',
    'the server has another path',
    async () => ({ url: await serve({ origin: pageOrigin, config: { path: '/chat/' } }) }),
  ],
];

test.each(CAUSES)('a page of another origin is told %s if %s', async (reason, _, options) => {
  expect(await failureOf(await options())).toMatchObject({ reason });
});

test('only a server of ours tells the page for certain that it refuses the origin', async () => {
  expect((await failureOf({ url: await serve() })).message).toMatch(/does not allow http:\/\/127\.0\.0\.1:\d+$/);
  expect((await failureOf({ url: await serveWebsite() })).message).toMatch(/to read it$/);
});

test('a page without a network is told offline', async () => {
  const url = await serve({ origin: pageOrigin });
  await page.context().setOffline(true);
  try {
    await page.waitForFunction(() => !navigator.onLine);
    expect(await failureOf({ url })).toMatchObject({ reason: 'offline' });
  } finally {
    await page.context().setOffline(false);
  }
});
