import { createElement, StrictMode, type ReactElement } from 'react';
import { hydrateRoot } from 'react-dom/client';
import { renderToString } from 'react-dom/server';
import { hydrate, unmount } from 'svelte';
import { afterEach, beforeEach, expect, inject, test, vi } from 'vitest';
import { createSSRApp, defineComponent, h } from 'vue';
import { renderToString as renderVue } from 'vue/server-renderer';
import { CommClient } from '../../../src/client/comm-client.ts';
import * as react from '../../../src/react/index.ts';
import { memoryStorage } from '../../../src/storage/memory-storage.ts';
import * as vue from '../../../src/vue/index.ts';
import { countListeners, type ListenerCount } from './count-listeners.ts';
import Hydrated from './svelte/hydrated.svelte';

let client: CommClient;
let target: HTMLElement;
let listeners: ListenerCount;

beforeEach(async () => {
  target = document.createElement('main');
  document.body.append(target);
  client = new CommClient({ url: inject('serverUrl'), userId: 'alice-hydration', storage: memoryStorage() });
  listeners = countListeners(client);
  // Connected and with a known inbox before the page is hydrated: the first rendering must still be that of the server.
  await client.connect();
  const { inbox } = client.conversations;
  const stop = inbox.subscribe(() => undefined);
  await expect.poll(() => inbox.getSnapshot().loading).toBe(false);
  stop();
});

afterEach(async () => {
  expect(listeners.count).toBe(0);
  await client[Symbol.asyncDispose]();
  target.remove();
});

const FROM_SERVER = '<p>idle loading</p>';

test('React hydrates what a server has rendered, and then shows the present state', async () => {
  function State(): ReactElement {
    const { status } = react.useConnection();
    return createElement('p', {}, `${status} ${react.useInbox(({ loading }) => loading) ? 'loading' : 'known'}`);
  }
  const page = (rendered: CommClient): ReactElement =>
    createElement(StrictMode, {}, createElement(react.CommProvider, { client: rendered }, createElement(State)));
  target.innerHTML = renderToString(page(new CommClient()));
  expect(target.innerHTML).toBe(FROM_SERVER);
  const errors: unknown[] = [];
  const root = hydrateRoot(target, page(client), { onRecoverableError: (error) => errors.push(error) });
  await expect.poll(() => target.textContent).toBe('connected known');
  expect(errors).toEqual([]);
  root.unmount();
});

test('Vue hydrates what a server has rendered, and then shows the present state', async () => {
  const warn = vi.spyOn(console, 'warn');
  const error = vi.spyOn(console, 'error');
  const State = defineComponent(() => {
    const connection = vue.useConnection();
    const isLoading = vue.useInbox(({ loading }) => loading);
    return () => h('p', `${connection.value.status} ${isLoading.value ? 'loading' : 'known'}`);
  });
  const page = (rendered: CommClient) => createSSRApp(State).use(vue.createComm(rendered));
  target.innerHTML = await renderVue(page(new CommClient()));
  expect(target.innerHTML).toBe(FROM_SERVER);
  const app = page(client);
  app.mount(target);
  await expect.poll(() => target.textContent).toBe('connected known');
  expect([...warn.mock.calls, ...error.mock.calls].filter(([text]) => String(text).includes('ydration'))).toEqual([]);
  app.unmount();
});

test('Svelte hydrates what a server has rendered, and then shows the present state', async () => {
  const warn = vi.spyOn(console, 'warn');
  target.innerHTML = inject('svelteHtml');
  expect(target.textContent).toBe('idle loading');
  const [fromServer] = target.querySelectorAll('p');
  const app = hydrate(Hydrated, { target, props: { client } });
  await expect.poll(() => target.textContent).toBe('connected known');
  expect(target.querySelector('p')).toBe(fromServer);
  expect(warn.mock.calls.filter(([text]) => String(text).includes('hydration'))).toEqual([]);
  await unmount(app);
});
