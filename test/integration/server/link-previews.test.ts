import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../../src/lib/logger.ts';
import { resolveLimits, type ServerLimits } from '../../../src/server/services/limits/server-limits.ts';
import { UserBudgets } from '../../../src/server/services/limits/user-budgets.ts';
import { LinkPreviewService, linksOf } from '../../../src/server/services/links/link-preview-service.ts';
import { caller } from '../../helpers/server/chat.ts';
import { startServer } from '../../helpers/server/comm-server.ts';
import { manualClock } from '../../helpers/manual-clock.ts';

const PAGE = `<!doctype html><html><head>
  <title>The title</title>
  <meta property="og:title" content="Open &amp; Graph">
  <meta name="description" content="  A   page
    about things ">
  <meta property="og:image" content="/picture.png">
</head><body>text</body></html>`;

type Answer = (request: IncomingMessage, response: ServerResponse) => void;
const html =
  (body: string, headers = {}): Answer =>
  (_, response) =>
    void response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', ...headers }).end(body);
const redirect =
  (location: string): Answer =>
  (_, response) =>
    void response.writeHead(302, { location }).end();

/** A web server on the loopback address, and a service that may reach its port there and nothing else. */
describe('previews of pages', () => {
  const answers = new Map<string, Answer>();
  const requests: string[] = [];
  const http = createServer((request, response) => {
    requests.push(request.url ?? '');
    const answer = answers.get(request.url ?? '');
    if (answer === undefined) response.writeHead(404).end();
    else answer(request, response);
  });
  let port: number;
  let origin: string;
  beforeEach(async () => {
    // On all addresses, so that the private ones would answer.
    http.listen(0);
    await once(http, 'listening');
    ({ port } = http.address() as AddressInfo);
    origin = `http://127.0.0.1:${port}`;
  });
  afterEach(async () => {
    answers.clear();
    requests.length = 0;
    http.closeAllConnections();
    http.close();
    await once(http, 'close');
  });

  const service = (
    clock = manualClock(),
    allowed = (address: string): boolean => address === '127.0.0.1',
    limits: Partial<ServerLimits> = {},
  ): LinkPreviewService =>
    new LinkPreviewService({
      clock,
      logger: silentLogger,
      config: { linkPreviews: true },
      budgets: new UserBudgets(resolveLimits(limits), clock),
      policy: { allowsAddress: allowed, allowsPort: (each) => each === port },
    });
  const previews = (text: string, by = service()) => by.previews(caller('ada'), text);

  test('Open Graph tags take precedence over those of HTML', async () => {
    answers.set('/page', html(PAGE));
    const link = `${origin}/page`;
    expect(await previews(`Look: ${link}.`)).toEqual([
      {
        url: link,
        title: 'Open & Graph',
        description: 'A page about things',
        image: `${origin}/picture.png`,
        domain: '127.0.0.1',
      },
    ]);
  });

  test('a redirect is followed, and the link stays the one of the text', async () => {
    answers.set('/short', redirect('/page'));
    answers.set('/page', html(PAGE));
    expect(await previews(`${origin}/short`)).toMatchObject([{ url: `${origin}/short`, title: 'Open & Graph' }]);
  });

  test.each([
    ['without a title', html('<p>Nothing</p>')],
    ['of another type', html(PAGE, { 'content-type': 'application/json' })],
    ['that is compressed', html(PAGE, { 'content-encoding': 'gzip' })],
    ['that is missing', undefined],
    ['that redirects forever', redirect('/page')],
    ['that redirects to another scheme', redirect('file:///etc/passwd')],
    ['that redirects to another port', redirect('http://127.0.0.1:1/')],
  ])('a page %s has no preview', async (_, answer) => {
    if (answer !== undefined) answers.set('/page', answer);
    expect(await previews(`${origin}/page`)).toEqual([]);
    expect(requests.length).toBeLessThanOrEqual(4);
  });

  test('only the start of a page is read', async () => {
    answers.set(
      '/large',
      html(`<title>Large</title>${'x'.repeat(2_000_000)}<meta property="og:title" content="Late">`),
    );
    expect(await previews(`${origin}/large`)).toMatchObject([{ title: 'Large' }]);
  });

  test('a page that does not answer is given up after five seconds', async () => {
    const clock = manualClock();
    answers.set('/slow', () => clock.advance(5_000));
    expect(await previews(`${origin}/slow`, service(clock))).toEqual([]);
  });

  test.each([
    ['an address', (at: number) => `http://127.0.0.1:${at}/page`],
    ['a name', (at: number) => `http://localhost:${at}/page`],
    ['an address in another notation', (at: number) => `http://0x7f.1:${at}/page`],
    ['an IPv6 address', (at: number) => `http://[::1]:${at}/page`],
    ['credentials', (at: number) => `http://user:secret@127.0.0.1:${at}/page`],
  ])('no connection is made to a private host given by %s', async (_, link) => {
    answers.set('/page', html(PAGE));
    const refusing = service(manualClock(), () => false);
    expect(await previews(link(port), refusing)).toEqual([]);
    expect(requests).toEqual([]);
  });

  test('a redirect to a private host is not followed', async () => {
    answers.set('/page', redirect(`http://127.0.0.2:${port}/private`));
    answers.set('/private', html(PAGE));
    expect(await previews(`${origin}/page`)).toEqual([]);
    expect(requests).toEqual(['/page']);
  });

  test('a preview is kept for an hour, and so is a failure', async () => {
    const clock = manualClock();
    const by = service(clock);
    answers.set('/page', html(PAGE));
    for (let time = 0; time < 2; time += 1) await previews(`${origin}/page ${origin}/missing`, by);
    expect(requests.toSorted()).toEqual(['/missing', '/page']);
    clock.advance(3_600_000);
    await previews(`${origin}/page`, by);
    expect(requests).toHaveLength(3);
  });

  test('a user may cause twenty requests a minute', async () => {
    const by = service();
    for (let index = 0; index < 20; index += 1) await previews(`${origin}/${index}`, by);
    await expect(previews(`${origin}/more`, by)).rejects.toMatchObject({ code: 'RATE_LIMITED' });
    expect(await by.previews(caller('bob'), `${origin}/more`)).toEqual([]);
  });

  test('the limit of requests per user is configurable', async () => {
    const by = service(undefined, undefined, { linkPreviews: { burst: 2, perSecond: 0.01 } });
    await previews(`${origin}/1 ${origin}/2`, by);
    await expect(previews(`${origin}/3`, by)).rejects.toMatchObject({ code: 'RATE_LIMITED', retryAfterMs: 100_000 });
  });
});

test('the first three links of a text are previewed, without punctuation', () => {
  const text =
    'See https://a.example/x, (http://b.example/y) and https://a.example/x! <https://c.example> https://d.example';
  expect(linksOf(text)).toEqual(['https://a.example/x', 'http://b.example/y', 'https://c.example']);
  expect(linksOf('javascript:alert(1) ftp://x.example http://')).toEqual([]);
});

describe('on a server', () => {
  const ask = { method: 'POST', body: JSON.stringify({ text: 'http://127.0.0.1/ http://localhost/' }) };

  test('previews are disabled by default', async () => {
    await using server = await startServer();
    expect((await server.rest('/link-preview', 'ada', ask)).status).toBe(501);
    expect((await server.rest('/link-preview', '', ask)).status).toBe(401);
  });

  test('enabled, they reach no private address', async () => {
    await using server = await startServer({ config: { linkPreviews: true } });
    const response = await server.rest('/link-preview', 'ada', ask);
    expect([response.status, await response.json()]).toEqual([200, { previews: [] }]);
    expect((await server.rest('/link-preview', 'ada', { method: 'POST', body: '{}' })).status).toBe(400);
  });

  test('a message keeps the preview of a link in its text until the text changes', async () => {
    await using server = await startServer();
    const ada = await server.connect('ada');
    const { id: conversationId } = await ada.ask('conversation:create', { type: 'group', participantIds: [] });
    const linkPreview = { url: 'https://a.example/x', title: 'A page', domain: 'a.example' };
    const message = { conversationId, content: 'See https://a.example/x', type: 'text', linkPreview } as const;
    const sent = await ada.ask('message:send', message);
    expect(sent.linkPreview).toEqual(linkPreview);
    expect(await (await server.rest(`/messages/${sent.id}`, 'ada')).json()).toMatchObject({ linkPreview });
    const edited = await ada.ask('message:edit', { conversationId, messageId: sent.id, content: 'See nothing' });
    expect(edited).not.toHaveProperty('linkPreview');
    for (const wrong of [
      { ...message, content: 'No link' },
      { ...message, linkPreview: { ...linkPreview, url: 'javascript:alert(1)' } },
      { ...message, linkPreview: { ...linkPreview, image: 'data:text/html,x' } },
    ]) {
      await expect(ada.ask('message:send', wrong)).rejects.toMatchObject({ code: 'INVALID' });
    }
  });
});
