import { createElement, Suspense, use, type ReactElement } from 'react';
import { renderToReadableStream } from 'react-dom/server';
import { render } from 'svelte/server';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createSSRApp, defineComponent, h } from 'vue';
import { renderToString } from 'vue/server-renderer';
import { CommClient } from '../../src/client/comm-client.ts';
import type { ConnectionSnapshot } from '../../src/client/connection/connection-reporter.ts';
import type { CommStorage } from '../../src/storage/comm-storage.ts';
import type { User } from '../../src/protocol/users.ts';
import type { SocketPort } from '../../src/transport/socket-port.ts';
import * as react from '../../src/react/index.ts';
import * as vue from '../../src/vue/index.ts';
import App from './app.svelte';

/** What the client has opened: names of methods of its storage and its socket. */
let opened: string[];
let client: CommClient;

beforeEach(() => {
  opened = [];
  const record = (name: string): object =>
    new Proxy(
      {},
      {
        get: (_target, method) => {
          opened.push(`${name}.${String(method)}`);
          return () => Promise.resolve();
        },
      },
    );
  client = new CommClient({
    userId: 'alice',
    socket: record('socket') as SocketPort,
    storage: record('storage') as CommStorage,
  });
  opened = [];
  // Called at once when something is opened; storage and socket only after chunks have loaded.
  const { conversations } = client;
  const open = conversations.open.bind(conversations);
  vi.spyOn(conversations, 'open').mockImplementation((id) => {
    opened.push(`open ${id}`);
    return open(id);
  });
});

afterEach(() => {
  expect(client.status).toBe('idle');
  expect(opened).toEqual([]);
});

const EXPECTED = '<p>idle, inbox loading, 0 messages loading, Bob unknown, named nobody of 0, calls 0</p>';

function describeState(
  { status }: ConnectionSnapshot,
  inbox: react.InboxState,
  conversation: react.ConversationState,
  presences: react.Presences,
  user: User | undefined,
  users: react.Users,
  ...calls: (react.CurrentCall | undefined)[]
): string {
  const loading = (isLoading: boolean): string => (isLoading ? 'loading' : 'loaded');
  const messages = `${conversation.messages.length} messages ${loading(conversation.loading)}`;
  const people = `Bob ${presences.get('bob')?.status ?? 'unknown'}, named ${user?.displayName ?? 'nobody'} of ${users.size}, calls ${calls.filter((call) => call !== undefined).length}`;
  return `${status}, inbox ${loading(inbox.loading)}, ${messages}, ${people}`;
}

test('React streams the initial state, also behind a suspended component, and opens nothing', async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  let attempts = 0;
  function State(): ReactElement {
    attempts += 1;
    use(promise);
    const state = [
      react.useConnection(),
      react.useInbox(),
      react.useConversation('c'),
      react.usePresence(['bob']),
      react.useUser('bob'),
      react.useUsers(['bob']),
      react.useCall(),
      react.useIncomingCall(),
    ] as const;
    return createElement('p', {}, describeState(...state));
  }
  const page = createElement(
    react.CommProvider,
    { client },
    createElement(Suspense, { fallback: createElement('i', {}, 'waiting') }, createElement(State)),
  );
  const stream = await renderToReadableStream(page);
  expect(attempts).toBe(1);
  resolve('data');
  expect(await new Response(stream).text()).toContain(EXPECTED);
  expect(attempts).toBeGreaterThan(1);
});

test('Vue renders the initial state and opens nothing', async () => {
  const State = defineComponent(() => {
    const state = [vue.useConnection(), vue.useInbox(), vue.useConversation('c'), vue.usePresence(['bob'])] as const;
    const [user, users] = [vue.useUser('bob'), vue.useUsers(['bob'])] as const;
    const calls = [vue.useCall(), vue.useIncomingCall()];
    const [connection, inbox, conversation, presences] = state;
    return () =>
      h(
        'p',
        describeState(
          connection.value,
          inbox.value,
          conversation.value,
          presences.value,
          user.value,
          users.value,
          ...calls.map(({ value }) => value),
        ),
      );
  });
  expect(await renderToString(createSSRApp(State).use(vue.createComm(client)))).toBe(EXPECTED);
});

test('Svelte renders the initial state and opens nothing', () => {
  expect(render(App, { props: { client, describeState } }).body).toContain(EXPECTED);
});
