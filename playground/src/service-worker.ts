/**
 * Caches the page, so that it can be reloaded while the server is unreachable, without losing the outbox. Requests go to
 * the network first. If the port is used by another server, the worker unregisters itself.
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
/** Vite's build manifest: output files by source file. */
const MANIFEST = '/manifest.json';
type Manifest = Record<string, { file: string; css?: string[] }>;

addEventListener('install', (event) => {
  (event as ExtendableEvent).waitUntil(fetch(PAGE).then(cachePage));
});

addEventListener('fetch', (event) => {
  const fetching = event as FetchEvent;
  const { request } = fetching;
  const url = new URL(request.url);
  if (request.method !== 'GET' || url.origin !== location.origin) return;
  if (request.mode === 'navigate') fetching.respondWith(navigate(request));
  else if (url.pathname.startsWith('/assets/') || url.pathname === '/favicon.svg') {
    fetching.respondWith(fetch(request).catch(() => cached(request.url)));
  }
});

async function navigate(request: Request): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(request);
  } catch {
    return cached(PAGE);
  }
  if (response.headers.has(MARK)) await cachePage(response.clone());
  else await unregister();
  return response;
}

/** Caches the page and its assets and deletes the assets of earlier builds. */
async function cachePage(page: Response): Promise<void> {
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

async function cached(url: string): Promise<Response> {
  return (await caches.match(url)) ?? Response.error();
}

async function unregister(): Promise<void> {
  await caches.delete(CACHE);
  await (globalThis as { registration?: ServiceWorkerRegistration }).registration?.unregister();
}
