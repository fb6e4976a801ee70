/**
 * Keeps the page itself, so that it can be reloaded while the server is away: what waits in the outbox is then still
 * there. The network always comes first, and a port that isn't the playground's any more is left alone.
 */
interface ExtendableEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface FetchEvent extends ExtendableEvent {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

const CACHE = 'lumen-comm-playground';
const MARK = 'x-lumen-comm-playground';
const PAGE = '/';
/** What the build wrote, by what it was made from. */
const MANIFEST = '/manifest.json';
type Manifest = Record<string, { file: string; css?: string[] }>;

addEventListener('install', (event) => {
  (event as ExtendableEvent).waitUntil(fetch(PAGE).then(keep));
});

addEventListener('fetch', (event) => {
  const fetching = event as FetchEvent;
  const { request } = fetching;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== location.origin) return;
  if (request.mode === 'navigate') fetching.respondWith(navigate(request));
  else if (url.pathname.startsWith('/assets/') || url.pathname === '/favicon.svg') {
    fetching.respondWith(fetch(request).catch(() => kept(request.url)));
  }
});

async function navigate(request: Request): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(request);
  } catch {
    return kept(PAGE);
  }
  if (response.headers.has(MARK)) await keep(response.clone());
  else await leave();
  return response;
}

/** Keeps the page and what it is made of; what an earlier build left goes. */
async function keep(page: Response): Promise<void> {
  if (!page.ok) return;
  const manifest = (await (await fetch(MANIFEST)).json()) as Manifest;
  const paths = Object.values(manifest).flatMap(({ file, css = [] }) => [file, ...css].map((name) => `/${name}`));
  const cache = await caches.open(CACHE);
  const held = new Set((await cache.keys()).map(({ url }) => new URL(url).pathname));
  await cache.addAll([...new Set([...paths, '/favicon.svg'])].filter((path) => !held.has(path)));
  await cache.put(PAGE, page);
  const wanted = new Set([PAGE, '/favicon.svg', ...paths]);
  await Promise.all([...held].filter((path) => !wanted.has(path)).map((path) => cache.delete(path)));
}

async function kept(url: string): Promise<Response> {
  return (await caches.match(url)) ?? Response.error();
}

async function leave(): Promise<void> {
  await caches.delete(CACHE);
  await (globalThis as { registration?: ServiceWorkerRegistration }).registration?.unregister();
}
