import { afterEach, beforeEach, describe, expect, inject, test, vi } from 'vitest';
import type { CallSession } from '../../../src/client/calls/session/call-types.ts';
import { CommClient } from '../../../src/client/comm-client.ts';
import { memoryStorage } from '../../../src/storage/memory-storage.ts';
import { countListeners, type ListenerCount } from './count-listeners.ts';

/** The parts of the app under test. Each is an element with the attribute `data-part`, and shows one hook's value. */
export type Part =
  | 'connection'
  | 'inbox'
  | 'messages'
  | 'count'
  | 'typing'
  | 'presence'
  | 'outbox'
  | 'thread'
  | 'profile'
  | 'names'
  | 'incoming'
  | 'call'
  | 'call-state';

/** An app that shows one conversation of a client. */
export interface App {
  /** Shows another conversation. */
  show(conversationId: string | undefined): void;
  unmount(): void;
}

/** How one framework's bindings are used by an app. */
export interface Binding {
  readonly name: string;
  /**
   * Mounts the app: the status of the connection, the number of conversations in the inbox or `loading`, the texts of the
   * messages or `loading` or `none`, the texts of unsent messages, and by selectors the number of messages, who is typing,
   * whether Bob is online, and Bob's name by one user and by a list. A
   * button sends `Hello`.
   *
   * @param rendered - called by the part that shows the number of messages each time it renders
   */
  mount(target: HTMLElement, client: CommClient, conversationId: string | undefined, rendered: () => void): App;
  /**
   * Mounts an app that shows the thread of one message: its content, `: ` and the texts of the replies, or `loading` or `none`. A
   * button sends `Hello`. `show()` shows the thread of another message of the conversation.
   */
  mountThread(target: HTMLElement, client: CommClient, conversationId: string, messageId: string | undefined): App;
  /**
   * Mounts an app for calls: the caller of a ringing call or `none`, with a button `Accept`; in another component the state of
   * the call and whether it is muted, or `none`, with a button `Hang up`; and by a selector the state of the call.
   *
   * @param rendered - called by the part with the selector each time it renders
   */
  mountCalls(target: HTMLElement, client: CommClient, rendered: () => void): Pick<App, 'unmount'>;
  /** Mounts the app of `mount()` around a component that is suspended until `ready` resolves. Absent without suspense. */
  mountSuspended?(target: HTMLElement, client: CommClient, id: string, ready: Promise<unknown>): Pick<App, 'unmount'>;
  /** Replaces the components of the mounted app, as a hot reload does that can't keep their state. Absent without one. */
  mountReloadable?(target: HTMLElement, client: CommClient, id: string): Pick<App, 'unmount'> & { reload(): void };
  /** Mounts a component that shows the status of the connection of a client that it provides itself. Absent where it can't. */
  mountProvider?(target: HTMLElement, client: CommClient): Pick<App, 'unmount'>;
  /** Mounts a component that uses a client that is not provided. Absent where the client is passed. @throws its error */
  mountWithoutClient?(target: HTMLElement): void;
}

/** What each binding has to do, in a browser, with a real client and server. */
export function describeBinding(binding: Binding): void {
  describe(`the binding for ${binding.name}`, () => {
    const clients: CommClient[] = [];
    let target: HTMLElement;
    let run = 0;
    /** How often the part that shows the number of messages has rendered. */
    let renderings: number;
    /** Views that are open. */
    let open: number;
    /** Listeners of the states of Alice's client. */
    let listeners: ListenerCount;

    beforeEach(() => {
      run += 1;
      renderings = 0;
      open = 0;
      target = document.createElement('main');
      document.body.append(target);
    });

    afterEach(async () => {
      target.remove();
      await Promise.all(clients.splice(0).map((client) => client[Symbol.asyncDispose]()));
    });

    const userOf = (name: string): string => `${name}-${binding.name}-${run}`;

    async function connect(name: string): Promise<CommClient> {
      const client = new CommClient({ url: inject('serverUrl'), userId: userOf(name), storage: memoryStorage() });
      clients.push(client);
      await client.connect();
      return client;
    }

    /** Connects Alice, whose views and listeners are counted, and Bob, and creates their conversation. */
    async function chat(): Promise<{ alice: CommClient; bob: CommClient; id: string }> {
      const [alice, bob] = await Promise.all([connect('alice'), connect('bob')]);
      const { id } = await bob.conversations.create({ type: 'direct', participantIds: [userOf('alice')] });
      const openView = alice.conversations.open.bind(alice.conversations);
      vi.spyOn(alice.conversations, 'open').mockImplementation((conversationId) => {
        const view = openView(conversationId);
        open += 1;
        let isOpen = true;
        const close = (): void => {
          if (isOpen) open -= 1;
          isOpen = false;
          view.close();
        };
        return { ...view, close };
      });
      listeners = countListeners(alice);
      return { alice, bob, id };
    }

    const click = (name: string): void =>
      Array.from(target.querySelectorAll('button'))
        .find(({ textContent }) => textContent.trim() === name)
        ?.click();
    const ring = (client: CommClient): Promise<CallSession> => new Promise((resolve) => client.once('call', resolve));
    const callTo = (client: CommClient, id: string, name: string): Promise<CallSession> =>
      client.calls.start({ conversationId: id, type: 'audio', calleeIds: [userOf(name)] });
    const isClosed = async (): Promise<void> => {
      await expect.poll(() => open, { message: 'open views' }).toBe(0);
      expect(listeners.count).toBe(0);
    };

    const text = (part: Part): string | undefined => target.querySelector(`[data-part="${part}"]`)?.textContent.trim();
    const shows = (part: Part, expected: string): Promise<void> =>
      expect.poll(() => text(part), { message: part }).toBe(expected);
    const mount = (client: CommClient, id: string | undefined): App =>
      binding.mount(target, client, id, () => {
        renderings += 1;
      });

    test('shows connection, inbox, messages, typing and presence, and follows them', async () => {
      const { alice, bob, id } = await chat();
      const app = mount(alice, id);
      await shows('connection', 'connected');
      await shows('inbox', '1');
      await shows('messages', '');
      await shows('presence', 'online');
      await bob.messages.send({ conversationId: id, content: 'One' });
      await shows('messages', 'One');
      await shows('count', '1');
      bob.typing.start(id);
      await shows('typing', userOf('bob'));
      await bob.messages.send({ conversationId: id, content: 'Two' });
      await shows('messages', 'One|Two');
      await shows('typing', '');
      app.unmount();
    });

    test('shows the name of a user, and a new one at once', async () => {
      const { alice, bob, id } = await chat();
      const app = mount(alice, id);
      await shows('profile', userOf('bob'));
      await shows('names', userOf('bob'));
      await bob.users.update({ displayName: 'Bob the Builder' });
      await shows('profile', 'Bob the Builder');
      await shows('names', 'Bob the Builder');
      app.unmount();
    });

    test('sends a message by the action of the state', async () => {
      const { alice, bob, id } = await chat();
      const app = mount(alice, id);
      await shows('messages', '');
      const received = new Promise<string>((resolve) => bob.once('message:new', ({ content }) => resolve(content)));
      target.querySelector('button')?.click();
      expect(await received).toBe('Hello');
      await shows('messages', 'Hello');
      await expect.poll(() => alice.messages.outbox()).toEqual([]);
      app.unmount();
    });

    test('shows what waits in the outbox until it is sent', async () => {
      const { alice, bob, id } = await chat();
      const app = mount(alice, id);
      await shows('messages', '');
      await shows('outbox', '');
      await alice.disconnect();
      const sending = alice.messages.send({ conversationId: id, content: 'Waits' });
      await shows('outbox', 'Waits');
      const received = new Promise<string>((resolve) => bob.once('message:new', ({ content }) => resolve(content)));
      await alice.connect();
      await sending;
      expect(await received).toBe('Waits');
      await shows('outbox', '');
      app.unmount();
    });

    test('renders a selected part only when that part changes', async () => {
      const { alice, bob, id } = await chat();
      const app = mount(alice, id);
      await bob.messages.send({ conversationId: id, content: 'One' });
      await shows('count', '1');
      const before = renderings;
      const [message] = (await bob.messages.list({ conversationId: id })).messages;
      await bob.messages.edit({ conversationId: id, messageId: message?.id ?? '', content: 'Edited' });
      await shows('messages', 'Edited');
      expect(renderings).toBe(before);
      app.unmount();
    });

    test('opens one conversation after another, and closes each', async () => {
      const { alice, bob, id } = await chat();
      await bob.messages.send({ conversationId: id, content: 'Direct' });
      const group = await bob.conversations.create({ type: 'group', name: 'G', participantIds: [userOf('alice')] });
      await bob.messages.send({ conversationId: group.id, content: 'Group' });
      const app = mount(alice, undefined);
      await shows('messages', 'none');
      expect(open).toBe(0);
      app.show(id);
      await shows('messages', 'Direct');
      app.show(group.id);
      await shows('messages', 'Group');
      // Each part opens its own view of the one conversation, and closes that of the other one after it has rendered.
      await expect.poll(() => open).toBeLessThanOrEqual(3);
      app.show(undefined);
      await shows('messages', 'none');
      await expect.poll(() => open).toBe(0);
      app.unmount();
    });

    test('shows one thread after another with its root and replies, sends replies, and closes each', async () => {
      const { alice, bob, id } = await chat();
      const openThread = alice.conversations.openThread.bind(alice.conversations);
      vi.spyOn(alice.conversations, 'openThread').mockImplementation((...thread) => {
        const view = openThread(...thread);
        open += 1;
        return {
          ...view,
          close: () => {
            open -= 1;
            view.close();
          },
        };
      });
      const one = await bob.messages.send({ conversationId: id, content: 'One' });
      const two = await bob.messages.send({ conversationId: id, content: 'Two' });
      await bob.messages.send({ conversationId: id, threadId: two.id, content: 'About two' });
      const app = binding.mountThread(target, alice, id, undefined);
      await shows('thread', 'none');
      expect(open).toBe(0);
      app.show(one.id);
      await shows('thread', 'One:');
      await bob.messages.send({ conversationId: id, threadId: one.id, content: 'About one' });
      await shows('thread', 'One: About one');
      target.querySelector('button')?.click();
      await shows('thread', 'One: About one|Hello');
      app.show(two.id);
      await shows('thread', 'Two: About two');
      app.unmount();
      await expect.poll(() => open).toBe(0);
    });

    test('closes everything when the app is unmounted, also at once', async () => {
      const { alice, id } = await chat();
      mount(alice, id).unmount();
      await isClosed();
      const app = mount(alice, id);
      await shows('messages', '');
      await expect.poll(() => open).toBeGreaterThan(0);
      expect(listeners.count).toBeGreaterThan(0);
      app.unmount();
      await isClosed();
      const calls = binding.mountCalls(target, alice, () => undefined);
      await shows('call', 'none');
      expect(listeners.count).toBeGreaterThan(0);
      calls.unmount();
      await isClosed();
    });

    test.skipIf(binding.mountSuspended === undefined)(
      'closes everything when the app is unmounted while it is suspended, and shows the state once it is not',
      async () => {
        const { alice, bob, id } = await chat();
        await bob.messages.send({ conversationId: id, content: 'One' });
        binding.mountSuspended?.(target, alice, id, new Promise(() => undefined)).unmount();
        await isClosed();
        const { promise, resolve } = Promise.withResolvers<undefined>();
        const app = binding.mountSuspended?.(target, alice, id, promise);
        expect(text('messages')).toBeUndefined();
        resolve(undefined);
        await shows('messages', 'One');
        app?.unmount();
        await isClosed();
      },
    );

    test.skipIf(binding.mountReloadable === undefined)('leaves nothing of what a hot reload replaces', async () => {
      const { alice, bob, id } = await chat();
      const app = binding.mountReloadable?.(target, alice, id);
      await shows('messages', '');
      const before = [open, listeners.count];
      app?.reload();
      await bob.messages.send({ conversationId: id, content: 'One' });
      await shows('messages', 'One');
      await expect.poll(() => [open, listeners.count]).toEqual(before);
      app?.unmount();
      await isClosed();
    });

    test('shows the call that rings until one component accepts it, then in another one until it ends', async () => {
      const { alice, bob, id } = await chat();
      const app = binding.mountCalls(target, alice, () => undefined);
      await shows('incoming', 'none');
      await shows('call', 'none');
      const call = await callTo(bob, id, 'alice');
      await shows('incoming', userOf('bob'));
      await shows('call', 'none');
      click('Accept');
      await shows('incoming', 'none');
      await shows('call', 'connected');
      await expect.poll(() => call.state).toBe('connected');
      call.hangup();
      await shows('call', 'none');
      await shows('call-state', 'none');
      app.unmount();
      await isClosed();
    });

    test('shows a call that was started elsewhere in the app, also mounted during the call', async () => {
      const { alice, bob, id } = await chat();
      const app = binding.mountCalls(target, alice, () => undefined);
      const [incoming] = await Promise.all([ring(bob), callTo(alice, id, 'bob')]);
      await shows('call', 'ringing');
      await incoming.accept();
      await shows('call', 'connected');
      app.unmount();
      const next = binding.mountCalls(target, alice, () => undefined);
      await shows('call', 'connected');
      click('Hang up');
      await shows('call', 'none');
      expect(await incoming.ended).toBe('completed');
      next.unmount();
    });

    test('shows no ringing call once it is cancelled, rejected, or answered on another device', async () => {
      const { alice, bob, id } = await chat();
      const other = await connect('alice');
      const app = binding.mountCalls(target, alice, () => undefined);
      const cancelled = await callTo(bob, id, 'alice');
      await shows('incoming', userOf('bob'));
      cancelled.hangup();
      await shows('incoming', 'none');
      const [rejected] = await Promise.all([ring(alice), callTo(bob, id, 'alice')]);
      await shows('incoming', userOf('bob'));
      rejected.reject();
      await shows('incoming', 'none');
      await rejected.ended;
      await expect.poll(() => bob.calls.active).toBeUndefined();
      const [elsewhere] = await Promise.all([ring(other), callTo(bob, id, 'alice')]);
      await shows('incoming', userOf('bob'));
      await elsewhere.accept();
      await shows('incoming', 'none');
      expect(text('call')).toBe('none');
      elsewhere.hangup();
      app.unmount();
    });

    test('renders a selected part of a call only when that part changes', async () => {
      const { alice, bob, id } = await chat();
      const app = binding.mountCalls(target, alice, () => {
        renderings += 1;
      });
      const [incoming, call] = await Promise.all([ring(bob), callTo(alice, id, 'bob')]);
      await incoming.accept();
      await shows('call-state', 'connected');
      const before = renderings;
      await call.setAudio(false);
      await shows('call', 'connected, muted');
      expect(renderings).toBe(before);
      call.hangup();
      await shows('call', 'none');
      app.unmount();
    });

    test.skipIf(binding.mountProvider === undefined)(
      'a component uses the client that it provides itself',
      async () => {
        const { alice } = await chat();
        const app = binding.mountProvider?.(target, alice);
        await shows('connection', 'connected');
        app?.unmount();
        await isClosed();
      },
    );

    test.skipIf(binding.mountWithoutClient === undefined)('without a client the error says what is missing', () => {
      expect(() => binding.mountWithoutClient?.(target)).toThrow('useComm() needs');
    });
  });
}
