import { createElement, StrictMode, type ReactElement } from 'react';
import { flushSync } from 'react-dom';
import { createRoot } from 'react-dom/client';
import {
  CommProvider,
  useComm,
  useConnection,
  useConversation,
  useInbox,
  useOutbox,
  usePresence,
  useThread,
  useUser,
  useUsers,
  useTyping,
} from '../../../src/react/index.ts';
import type { CommClient } from '../../../src/client/comm-client.ts';
import { describeBinding, type Binding } from './behaviors.ts';

interface Properties {
  readonly id: string | undefined;
  readonly rendered: () => void;
}

const part = (name: string, text: string): ReactElement => createElement('p', { 'data-part': name }, text);

function Connection(): ReactElement {
  return part(
    'connection',
    useConnection(({ status }) => status),
  );
}

function Inbox(): ReactElement {
  const { loading, conversations } = useInbox();
  return part('inbox', loading ? 'loading' : String(conversations.length));
}

function Messages({ id }: Properties): ReactElement {
  const { messages, loading, send } = useConversation(id);
  const texts = messages.map(({ content }) => content).join('|');
  return createElement(
    'section',
    {},
    part('messages', id === undefined ? 'none' : loading ? 'loading' : texts),
    createElement('button', { onClick: () => void send('Hello') }, 'Send'),
  );
}

function Outbox(): ReactElement {
  return part(
    'outbox',
    useOutbox((messages) => messages.map(({ content }) => content).join('|')),
  );
}

function Count({ id, rendered }: Properties): ReactElement {
  const count = useConversation(id, ({ messages }) => messages.length);
  rendered();
  return part('count', String(count));
}

function People({ id }: Properties): ReactElement {
  const bob = useComm().userId?.replace('alice', 'bob') ?? '';
  const presence = usePresence([bob]).get(bob)?.status ?? 'unknown';
  const names = [...useUsers([bob]).values()].map(({ displayName }) => displayName);
  return createElement(
    'section',
    {},
    part('typing', useTyping(id).join()),
    part('presence', presence),
    part('profile', useUser(bob)?.displayName ?? 'unknown'),
    part('names', names.join()),
  );
}

function Thread({ id, messageId }: { readonly id: string; readonly messageId: string | undefined }): ReactElement {
  const { root, messages, loading, send } = useThread(id, messageId);
  const texts = messages.map(({ content }) => content).join('|');
  const text = messageId === undefined ? 'none' : loading ? 'loading' : `${root?.content ?? ''}: ${texts}`;
  return createElement(
    'section',
    {},
    part('thread', text),
    createElement('button', { onClick: () => void send('Hello') }, 'Send'),
  );
}

function threadApp(client: CommClient, id: string, messageId: string | undefined): ReactElement {
  const thread = createElement(Thread, { id, messageId });
  return createElement(StrictMode, {}, createElement(CommProvider, { client }, thread));
}

function app(client: CommClient, properties: Properties): ReactElement {
  const parts = [Connection, Inbox, Messages, Count, People, Outbox].map((each) =>
    createElement(each, { ...properties, key: each.name }),
  );
  return createElement(StrictMode, {}, createElement(CommProvider, { client }, ...parts));
}

const react: Binding = {
  name: 'react',
  mount(target, client, id, rendered) {
    const root = createRoot(target);
    flushSync(() => root.render(app(client, { id, rendered })));
    return {
      show: (next) => flushSync(() => root.render(app(client, { id: next, rendered }))),
      unmount: () => root.unmount(),
    };
  },
  mountThread(target, client, id, messageId) {
    const root = createRoot(target);
    flushSync(() => root.render(threadApp(client, id, messageId)));
    return {
      show: (next) => flushSync(() => root.render(threadApp(client, id, next))),
      unmount: () => root.unmount(),
    };
  },
  mountWithoutClient(target) {
    let thrown: unknown;
    const root = createRoot(target, { onUncaughtError: (error) => (thrown = error) });
    flushSync(() => root.render(createElement(Connection)));
    root.unmount();
    throw thrown;
  },
};

describeBinding(react);
