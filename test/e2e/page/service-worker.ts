/* Caches the page and its chunks, so that it can be reloaded offline. */
interface ExtendableEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface FetchEvent extends ExtendableEvent {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

const CACHE = 'page';

addEventListener('install', (event) => {
  (event as ExtendableEvent).waitUntil(keep());
});

addEventListener('fetch', (event) => {
  const { request } = event as FetchEvent;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== 'GET' || origin !== location.origin || pathname.startsWith('/__nk')) return;
  (event as FetchEvent).respondWith(answer(request));
});

async function keep(): Promise<void> {
  const files = (await (await fetch('/files.json')).json()) as string[];
  await (await caches.open(CACHE)).addAll(['/', ...files]);
}

async function answer(request: Request): Promise<Response> {
  return (await caches.match(request, { ignoreSearch: true })) ?? fetch(request);
}
