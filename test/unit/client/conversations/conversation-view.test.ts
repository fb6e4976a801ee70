import { expect, test } from 'vitest';
import { ConversationViews } from '../../../../src/client/conversations/conversation-view.ts';
import type { OpenConversation } from '../../../../src/client/conversations/open-conversation.ts';
import { Reader } from '../../../../src/client/reader.ts';
import { deferred, type Deferred } from '../../../../src/lib/deferred.ts';
import { lazy } from '../../../../src/lib/lazy.ts';
import { TypingTracker } from '../../../../src/client/presence/typing-tracker.ts';
import { TokenSource } from '../../../../src/transport/token-source.ts';
import { fakeContext } from '../../../helpers/client/context.ts';
import { settle } from '../../../helpers/client/fake-socket.ts';

/** A reader that counts the conversations that it has open. */
class CountingReader extends Reader {
  opened = 0;
  open = 0;

  override openConversation(...args: Parameters<Reader['openConversation']>): OpenConversation {
    const conversation = super.openConversation(...args);
    this.opened += 1;
    this.open += 1;
    const close = conversation.close.bind(conversation);
    conversation.close = () => {
      this.open -= 1;
      close();
    };
    return conversation;
  }
}

function setUp(onLoad: () => void = () => undefined) {
  const context = fakeContext();
  let loads = 0;
  const rest = {
    baseUrl: 'http://127.0.0.1',
    fetch: () => new Promise<never>(() => undefined),
    clock: context.clock,
    tokens: new TokenSource(undefined),
    userId: () => context.user,
    timeoutMs: 1_000,
  };
  const reader = new CountingReader(context, rest, () => [], new TypingTracker(context, () => undefined));
  const chunk = deferred<CountingReader>();
  const parts = {
    messages: {
      send: () => new Promise<never>(() => undefined),
      markRead: () => Promise.resolve(),
    },
    typing: { start: () => undefined, stop: () => undefined },
    blockedUsers: () => {
      loads += 1;
      onLoad();
      return Promise.reject(new TypeError('Failed to fetch dynamically imported module'));
    },
    sync: { join: () => Promise.resolve() },
  };
  const views = new ConversationViews(
    context,
    parts,
    lazy(() => chunk.promise),
  );
  return { context, reader, load: () => chunk.resolve(reader), views, loads: () => loads };
}

test('a view that is closed while its chunk loads opens no timeline', async () => {
  const { reader, load, views } = setUp();
  const view = views.open('c');
  view.close();
  load();
  await expect(view.ready).rejects.toMatchObject({ code: 'DISCONNECTED' });
  expect(reader.opened).toBe(0);
});

test('a view that is closed in any microtask after its chunk has loaded leaves no timeline open', async () => {
  let opened = 0;
  for (let microtasks = 0; microtasks < 20; microtasks += 1) {
    const { reader, load, views } = setUp();
    const view = views.open('c');
    load();
    for (let left = microtasks; left > 0; left -= 1) await Promise.resolve();
    view.close();
    await settle();
    expect([microtasks, reader.open]).toEqual([microtasks, 0]);
    opened += reader.opened;
  }
  expect(opened).toBeGreaterThan(0);
});

test('closing a view while its chunk loads leaves the timeline of a later view open', async () => {
  const { reader, load, views } = setUp();
  views.open('c').close();
  const later = views.open('c');
  load();
  await settle();
  expect(reader.open).toBe(1);
  later.close();
  expect(reader.open).toBe(0);
});

test('code that cannot be loaded without a network is loaded with the next connection, and is no error', async () => {
  let online = true;
  let connected: Deferred<void> = deferred();
  connected.resolve();
  const { context, load, views, loads } = setUp(() => {
    online = false;
    connected = deferred();
  });
  context.caps.add('profiles');
  Object.assign(context, { online: () => online, untilConnected: () => connected.promise });
  const view = views.open('c');
  load();
  await settle();
  expect(loads()).toBe(1);
  online = true;
  connected.resolve();
  await settle();
  expect(loads()).toBe(2);
  expect(context.reported).toEqual([]);
  view.close();
  online = true;
  connected.resolve();
  await settle();
  expect(loads()).toBe(2);
});
