import { afterEach, beforeEach, describe, expect, inject, test, vi } from 'vitest';
import { CommClient } from '../../../src/client/comm-client.ts';
import { memoryStorage } from '../../../src/storage/memory-storage.ts';

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
  | 'names';

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

    /** Connects Alice, whose views are counted, and Bob, and creates their conversation. */
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
      return { alice, bob, id };
    }

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
      await expect.poll(() => open).toBe(0);
      const app = mount(alice, id);
      await shows('messages', '');
      await expect.poll(() => open).toBeGreaterThan(0);
      app.unmount();
      await expect.poll(() => open).toBe(0);
    });

    test.skipIf(binding.mountWithoutClient === undefined)('without a client the error says what is missing', () => {
      expect(() => binding.mountWithoutClient?.(target)).toThrow('useComm() needs');
    });
  });
}
