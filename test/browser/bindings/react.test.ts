import { createElement, StrictMode, Suspense, use, type ReactElement } from 'react';
import { flushSync } from 'react-dom';
import { createRoot } from 'react-dom/client';
import {
  CommProvider,
  useCall,
  useComm,
  useConnection,
  useConversation,
  useInbox,
  useIncomingCall,
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

function Incoming(): ReactElement {
  const call = useIncomingCall();
  return createElement(
    'section',
    {},
    part('incoming', call?.callerId ?? 'none'),
    createElement('button', { onClick: () => void call?.session.accept() }, 'Accept'),
  );
}

function Call(): ReactElement {
  const call = useCall();
  return createElement(
    'section',
    {},
    part('call', call === undefined ? 'none' : `${call.state}${call.audioMuted ? ', muted' : ''}`),
    createElement('button', { onClick: () => call?.session.hangup() }, 'Hang up'),
  );
}

function CallState({ rendered }: Pick<Properties, 'rendered'>): ReactElement {
  const state = useCall((call) => call?.state ?? 'none');
  rendered();
  return part('call-state', state);
}

/** Uses the client before and after it is suspended. */
function Suspended({ id, ready }: { readonly id: string; readonly ready: Promise<unknown> }): ReactElement {
  const { messages } = useConversation(id);
  const status = useConnection((connection) => connection.status);
  use(ready);
  return createElement('section', {}, part('connection', status), part('messages', messages[0]?.content ?? ''));
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
  mountCalls(target, client, rendered) {
    const parts = [
      createElement(Incoming, { key: 'incoming' }),
      createElement(Call, { key: 'call' }),
      createElement(CallState, { key: 'state', rendered }),
    ];
    const root = createRoot(target);
    flushSync(() => root.render(createElement(StrictMode, {}, createElement(CommProvider, { client }, ...parts))));
    return { unmount: () => root.unmount() };
  },
  mountSuspended(target, client, id, ready) {
    const suspended = createElement(Suspended, { id, ready });
    const boundary = createElement(Suspense, { fallback: 'waiting' }, createElement(Inbox), suspended);
    const root = createRoot(target);
    flushSync(() => root.render(createElement(StrictMode, {}, createElement(CommProvider, { client }, boundary))));
    return { unmount: () => root.unmount() };
  },
  mountReloadable(target, client, id) {
    const root = createRoot(target);
    // A component of another type is what Fast Refresh makes of one whose hooks have changed.
    const show = (component: typeof Messages): void =>
      flushSync(() => {
        const shown = createElement(component, { id, rendered: () => undefined });
        root.render(createElement(StrictMode, {}, createElement(CommProvider, { client }, shown)));
      });
    show(Messages);
    return { reload: () => show((properties) => Messages(properties)), unmount: () => root.unmount() };
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
