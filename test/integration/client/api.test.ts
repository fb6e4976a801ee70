import { describe, expect, test } from 'vitest';
import { CommClient, isCommError, memoryStorage, type CommError, type Conversation, type Message } from '../../../src/index.ts';
import { until, type App } from '../../helpers/client/app.ts';
import { direct, group, startWorld, type World } from '../../helpers/client/world.ts';

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => expect.unreachable('It should have been refused'),
    (error: unknown) => error,
  );
}
async function code(promise: Promise<unknown>): Promise<string> {
  const error = await rejection(promise);
  if (!isCommError(error)) throw new Error('not a CommError', { cause: error });
  return error.code;
}

interface Chat extends World {
  alice: App;
  bob: App;
  conversationId: string;
  sent: Message[];
}
/** Alice and Bob, and `count` messages of Alice. */
async function chat(count = 0): Promise<Chat> {
  const world = await startWorld();
  const { alice, bob } = await world.joinAll('alice', 'bob');
  const conversationId = await direct(alice, bob);
  const sent = await Promise.all(Array.from({ length: count }, (_, at) => alice.client.messages.send({ conversationId, content: `message ${at + 1}` })));
  if (count > 0) await bob.next('message:new', ({ seq }) => seq === count);
  return { ...world, alice, bob, conversationId, sent };
}
const contents = (messages: readonly Message[]): string[] => messages.map(({ content }) => content.replace('message ', ''));

describe('messages.send', () => {
  test('carries everything there is to a message', async () => {
    const { alice, bob, conversationId, sent } = await chat(1);
    const attachment = { url: '/files/a.png', mimeType: 'image/png', fileName: 'a.png', fileSize: 10, width: 2, height: 1 };
    const clientId = '0197a000-0000-7000-8000-000000000001';
    const message = await alice.client.messages.send({ conversationId, content: 'Look', type: 'image', replyTo: sent[0]?.id, attachment, clientId });
    expect(message).toMatchObject({ content: 'Look', type: 'image', replyTo: sent[0]?.id, attachment, clientId, senderId: 'alice', status: 'sent' });
    expect(await bob.next('message:new', ({ id }) => id === message.id)).toMatchObject({ attachment, replyTo: sent[0]?.id });
  });

  test('an attachment needs no text', async () => {
    const { alice, conversationId } = await chat();
    const attachment = { url: '/files/a.png', mimeType: 'image/png', fileName: 'a.png', fileSize: 10 };
    expect(await alice.client.messages.send({ conversationId, content: '', type: 'image', attachment })).toMatchObject({ attachment });
  });

  test('the same client id again is the same message', async () => {
    const { alice, bob, conversationId } = await chat();
    const input = { conversationId, content: 'once', clientId: '0197a000-0000-7000-8000-000000000002' };
    const [first, second] = await Promise.all([alice.client.messages.send(input), alice.client.messages.send(input)]);
    const third = await alice.client.messages.send(input);
    expect([second?.id, third.id]).toEqual([first?.id, first?.id]);
    await alice.client.messages.send({ conversationId, content: 'last' });
    await bob.next('message:new', ({ content }) => content === 'last');
    expect(bob.all('message:new').map(({ content }) => content)).toEqual(['once', 'last']);
    expect(alice.all('message:pending')).toHaveLength(3);
  });

  test('ids of the app keep the order of asking, whatever they look like', async () => {
    const { alice, bob, conversationId } = await chat();
    const ids = ['zebra', 'apple', '0197a000-0000-7000-8000-000000000003', 'mango'];
    await Promise.all(ids.map((clientId) => alice.client.messages.send({ conversationId, content: clientId, clientId })));
    await bob.next('message:new', ({ content }) => content === 'mango');
    expect(bob.all('message:new').map(({ content }) => content)).toEqual(ids);
  });

  test.each([
    ['too long a text', { content: 'x'.repeat(10_001) }, 'MESSAGE_TOO_LONG'],
    ['no text', { content: '' }, 'INVALID'],
    ['an unknown conversation', { conversationId: 'unknown', content: 'x' }, 'NOT_FOUND'],
    ['an answer to nothing', { content: 'x', replyTo: '999999' }, 'INVALID'],
    ['an attachment that runs code', { content: 'x', type: 'file' as const, attachment: { url: 'javascript:1', mimeType: 'a/b', fileName: 'a', fileSize: 1 } }, 'INVALID'],
  ])('%s is refused for good, and stays as failed until it is discarded', async (_title, input, expected) => {
    const { alice, conversationId } = await chat();
    expect(await code(alice.client.messages.send({ conversationId, ...input }))).toBe(expected);
    const failed = await alice.next('message:failed');
    expect(failed).toMatchObject({ message: { status: 'failed' }, error: { code: expected } });
    expect(alice.client.messages.outbox()).toMatchObject([{ status: 'failed' }]);
    const [{ clientId } = { clientId: '' }] = alice.client.messages.outbox();
    alice.client.messages.discard(clientId);
    expect(alice.client.messages.outbox()).toEqual([]);
    expect(alice.errors).toEqual([]);
  });

  test('one that is refused does not hold up those behind it', async () => {
    const { alice, bob, conversationId } = await chat();
    const sends = ['a', 'x'.repeat(10_001), 'b', 'c'].map((content) => alice.client.messages.send({ conversationId, content }));
    const outcomes = await Promise.allSettled(sends);
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
    await bob.next('message:new', ({ content }) => content === 'c');
    expect(bob.all('message:new').map(({ content }) => content)).toEqual(['a', 'b', 'c']);
  });

  test('retry() sends a refused message again, under its client id', async () => {
    const world = await startWorld();
    const { alice, bob, carol } = await world.joinAll('alice', 'bob', 'carol');
    const conversationId = await group(alice, bob, carol);
    await alice.client.conversations.removeParticipant(conversationId, 'bob');
    await bob.next('conversation:left');
    expect(await code(bob.client.messages.send({ conversationId, content: 'Let me in' }))).toMatch(/NOT_FOUND|FORBIDDEN/);
    await alice.client.conversations.addParticipants(conversationId, ['bob']);
    await bob.next('conversation:new', ({ id }) => id === conversationId);
    const [{ clientId } = { clientId: '' }] = bob.client.messages.outbox();
    const message = await bob.client.messages.retry(clientId);
    expect(message).toMatchObject({ content: 'Let me in', clientId });
    expect(bob.client.messages.outbox()).toEqual([]);
  });

  test('sending it again by its client id does the same as retry()', async () => {
    const { alice, conversationId } = await chat();
    const clientId = '0197a000-0000-7000-8000-000000000004';
    expect(await code(alice.client.messages.send({ conversationId, content: 'x'.repeat(10_001), clientId }))).toBe('MESSAGE_TOO_LONG');
    expect(await code(alice.client.messages.send({ conversationId, content: 'x'.repeat(10_001), clientId }))).toBe('MESSAGE_TOO_LONG');
  });

  test('retry() of what does not wait is NOT_FOUND, discard() of it does nothing', async () => {
    const { alice } = await chat();
    expect(await code(alice.client.messages.retry('unknown'))).toBe('NOT_FOUND');
    alice.client.messages.discard('unknown');
  });

  test('discarding what has just been queued rejects its promise and sends nothing', async () => {
    const { alice, bob, conversationId } = await chat();
    const sending = rejection(alice.client.messages.send({ conversationId, content: 'never mind' }));
    const [{ clientId } = { clientId: '' }] = alice.client.messages.outbox();
    alice.client.messages.discard(clientId);
    expect(await sending).toMatchObject({ code: 'NOT_FOUND' });
    await alice.client.messages.send({ conversationId, content: 'next' });
    expect(await bob.next('message:new')).toMatchObject({ content: 'next' });
  });

  test('too many in a window wait as long as the server says', async () => {
    const world = await startWorld({ config: { rateLimit: { maxMessages: 3, windowSeconds: 1 } } });
    const { alice, bob } = await world.joinAll('alice', 'bob');
    const conversationId = await direct(alice, bob);
    const all = ['1', '2', '3', '4', '5'];
    await Promise.all(all.map((content) => alice.client.messages.send({ conversationId, content })));
    await bob.next('message:new', ({ content }) => content === '5');
    expect(bob.all('message:new').map(({ content }) => content)).toEqual(all);
  });
});

describe('messages.list', () => {
  test('the newest page, oldest first, and what is around it', async () => {
    const { alice, conversationId, sent } = await chat(10);
    const list = (query: { limit?: number; before?: string; after?: string; around?: string } = {}) => alice.client.messages.list({ conversationId, ...query });
    const id = (seq: number): string => sent[seq - 1]?.id ?? '';
    const brief = async (page: ReturnType<typeof list>): Promise<unknown> => {
      const { messages, hasOlder, hasNewer } = await page;
      return [contents(messages).join(' '), hasOlder, hasNewer];
    };
    expect(await brief(list())).toEqual(['1 2 3 4 5 6 7 8 9 10', false, false]);
    expect(await brief(list({ limit: 3 }))).toEqual(['8 9 10', true, false]);
    expect(await brief(list({ limit: 10 }))).toEqual(['1 2 3 4 5 6 7 8 9 10', false, false]);
    expect(await brief(list({ limit: 3, before: id(8) }))).toEqual(['5 6 7', true, true]);
    expect(await brief(list({ limit: 3, before: id(3) }))).toEqual(['1 2', false, true]);
    expect(await brief(list({ before: id(1) }))).toEqual(['', false, true]);
    expect(await brief(list({ limit: 3, after: id(2) }))).toEqual(['3 4 5', true, true]);
    expect(await brief(list({ limit: 3, after: id(7) }))).toEqual(['8 9 10', true, false]);
    expect(await brief(list({ after: id(10) }))).toEqual(['', true, false]);
    const [around] = (await brief(list({ limit: 5, around: id(5) }))) as [string];
    expect(around.split(' ')).toContain('5');
    expect(await brief(list({ around: id(5) }))).toEqual(['1 2 3 4 5 6 7 8 9 10', false, false]);
  });

  test('foreign and unknown conversations and messages are NOT_FOUND alike', async () => {
    const { alice, join, conversationId } = await chat(1);
    const carol = await join('carol');
    expect(await code(carol.client.messages.list({ conversationId }))).toBe('NOT_FOUND');
    expect(await code(alice.client.messages.list({ conversationId: 'unknown' }))).toBe('NOT_FOUND');
    expect(await code(alice.client.messages.list({ conversationId, before: '999999' }))).toBe('NOT_FOUND');
  });
});

describe('messages', () => {
  test('get() and search() find what one may see', async () => {
    const { alice, bob, join, conversationId, sent } = await chat(3);
    expect(await bob.client.messages.get(sent[1]?.id ?? '')).toMatchObject({ content: 'message 2' });
    const other = await bob.client.messages.send({ conversationId, content: 'The quick brown fox' });
    expect((await alice.client.messages.search({ query: 'quick bro' })).map(({ id }) => id)).toEqual([other.id]);
    expect((await alice.client.messages.search({ query: 'quick', conversationId })).map(({ id }) => id)).toEqual([other.id]);
    expect(await alice.client.messages.search({ query: 'message', limit: 2 })).toHaveLength(2);
    expect(await alice.client.messages.search({ query: '  ' })).toEqual([]);
    expect(await alice.client.messages.search({ query: '"* OR (' })).toEqual([]);
    const carol = await join('carol');
    expect(await carol.client.messages.search({ query: 'quick' })).toEqual([]);
    expect(await code(carol.client.messages.get(other.id))).toBe('NOT_FOUND');
  });

  test('only its sender edits and deletes a message; deleting twice is deleting once', async () => {
    const { alice, bob, conversationId, sent } = await chat(1);
    const messageId = sent[0]?.id ?? '';
    expect(await code(bob.client.messages.edit({ conversationId, messageId, content: 'x' }))).toBe('FORBIDDEN');
    expect(await code(bob.client.messages.delete({ conversationId, messageId }))).toBe('FORBIDDEN');
    await alice.client.messages.delete({ conversationId, messageId });
    await alice.client.messages.delete({ conversationId, messageId });
    expect(await code(alice.client.messages.edit({ conversationId, messageId, content: 'x' }))).toBe('CONFLICT');
    expect(await code(alice.client.messages.react({ conversationId, messageId, emoji: '+' }))).toBe('CONFLICT');
  });

  test('reacting twice takes the reaction back, where the message is held; `on` says which', async () => {
    const { alice, conversationId, sent } = await chat(1);
    const view = alice.client.conversations.open(conversationId);
    await view.ready;
    const ref = { conversationId, messageId: sent[0]?.id ?? '', emoji: '👍' };
    const reactions = (count: number) => until(view, ({ messages }) => (messages[0]?.reactions?.length ?? 0) === count);
    await alice.client.messages.react(ref);
    await reactions(1);
    await alice.client.messages.react(ref);
    await reactions(0);
    await alice.client.messages.react({ ...ref, on: true });
    await reactions(1);
    await alice.client.messages.react({ ...ref, on: true });
    await alice.client.messages.react({ ...ref, on: false });
    await reactions(0);
  });

  test('markRead() of a message that is not there is refused', async () => {
    const { alice, conversationId } = await chat();
    expect(await code(alice.client.messages.markRead({ conversationId, messageId: '999999' }))).toBe('NOT_FOUND');
  });
});

describe('conversations', () => {
  test('a pair has one direct conversation', async () => {
    const { alice, bob, conversationId } = await chat();
    expect((await alice.client.conversations.create({ type: 'direct', participantIds: ['bob'] })).id).toBe(conversationId);
    expect((await bob.client.conversations.create({ type: 'direct', participantIds: ['alice'] })).id).toBe(conversationId);
  });

  test('list() pages from the newest activity, get() reads one', async () => {
    const { alice, bob, conversationId } = await chat();
    const other = await group(alice, bob);
    await alice.client.messages.send({ conversationId, content: 'newest' });
    const ids = (conversations: Conversation[]): string[] => conversations.map(({ id }) => id);
    expect(ids(await alice.client.conversations.list())).toEqual([conversationId, other]);
    expect(ids(await alice.client.conversations.list({ limit: 1 }))).toEqual([conversationId]);
    expect(ids(await alice.client.conversations.list({ limit: 1, offset: 1 }))).toEqual([other]);
    expect(await bob.client.conversations.get(conversationId)).toMatchObject({ id: conversationId, unreadCount: 1, lastMessage: { content: 'newest' } });
    expect(await code(bob.client.conversations.get('unknown'))).toBe('NOT_FOUND');
  });

  test('archive, mute and pin are for this user alone, on all their devices', async () => {
    const { alice, bob, join, conversationId } = await chat();
    const phone = await join('alice');
    await alice.client.conversations.archive(conversationId, true);
    await alice.client.conversations.mute(conversationId, true);
    await alice.client.conversations.pin(conversationId, true);
    await phone.next('conversation:updated', ({ pinned }) => pinned === true);
    expect(await alice.client.conversations.get(conversationId)).toMatchObject({ archived: true, muted: true, pinned: true });
    expect(await bob.client.conversations.get(conversationId)).toMatchObject({ archived: false, muted: false, pinned: false });
    await alice.client.messages.send({ conversationId, content: 'x' });
    await bob.next('message:new');
    expect(bob.all('conversation:updated')).toEqual([]);
  });

  test('a group is managed by its owner and admins', async () => {
    const { alice, bob, join } = await chat();
    const carol = await join('carol');
    const id = await group(alice, bob);
    expect(await code(bob.client.conversations.rename(id, 'Mine'))).toBe('FORBIDDEN');
    expect(await alice.client.conversations.rename(id, 'Ours')).toMatchObject({ name: 'Ours' });
    await bob.next('conversation:updated', ({ name }) => name === 'Ours');
    expect((await alice.client.conversations.addParticipants(id, ['carol'])).participants).toHaveLength(3);
    await carol.next('conversation:new', (conversation) => conversation.id === id);
    const { participants } = await alice.client.conversations.setRole(id, 'bob', 'admin');
    expect(participants.find(({ userId }) => userId === 'bob')).toMatchObject({ role: 'admin' });
    await bob.client.conversations.removeParticipant(id, 'carol');
    expect(await carol.next('conversation:left')).toEqual({ conversationId: id, userId: 'carol' });
    await bob.client.conversations.removeParticipant(id, 'bob');
    expect(await bob.next('conversation:left', ({ userId }) => userId === 'bob')).toEqual({ conversationId: id, userId: 'bob' });
    expect(await code(bob.client.conversations.get(id))).toBe('NOT_FOUND');
  });

  test('join() and leave() enter and leave a room, not the conversation', async () => {
    const { alice, bob, conversationId } = await chat();
    await bob.client.conversations.join(conversationId);
    await bob.client.conversations.leave(conversationId);
    await alice.client.messages.send({ conversationId, content: 'still here' });
    await bob.next('message:new');
    expect(await code(bob.client.conversations.join('unknown'))).toBe('NOT_FOUND');
  });
});

describe('aborting', () => {
  test("rejects every method with the signal's own reason, at once where it is aborted already", async () => {
    const { alice, conversationId, sent } = await chat(1);
    const { messages, conversations, presence } = alice.client;
    const ref = { conversationId, messageId: sent[0]?.id ?? '' };
    const reason = { why: 'enough' };
    const options = { signal: AbortSignal.abort(reason) };
    const before = alice.port.sent.length;
    const calls: (() => Promise<unknown>)[] = [
      () => messages.send({ conversationId, content: 'x' }, options),
      () => messages.list({ conversationId }, options),
      () => messages.get(ref.messageId, options),
      () => messages.search({ query: 'x' }, options),
      () => messages.edit({ ...ref, content: 'x' }, options),
      () => messages.delete(ref, options),
      () => messages.react({ ...ref, emoji: '+' }, options),
      () => messages.forward({ messageId: ref.messageId, fromConversationId: conversationId, toConversationId: conversationId }, options),
      () => messages.markRead(ref, options),
      () => messages.retry('x', options),
      () => conversations.list({}, options),
      () => conversations.get(conversationId, options),
      () => conversations.create({ type: 'direct', participantIds: ['carol'] }, options),
      () => conversations.join(conversationId, options),
      () => conversations.leave(conversationId, options),
      () => conversations.archive(conversationId, true, options),
      () => conversations.mute(conversationId, true, options),
      () => conversations.pin(conversationId, true, options),
      () => conversations.rename(conversationId, 'x', options),
      () => conversations.addParticipants(conversationId, ['carol'], options),
      () => conversations.removeParticipant(conversationId, 'bob', options),
      () => conversations.setRole(conversationId, 'bob', 'admin', options),
      () => presence.set('busy', options),
      () => alice.client.connect(options),
    ];
    for (const call of calls) expect(await rejection(call()), call.toString()).toBe(reason);
    expect(alice.port.sent.slice(before)).toEqual([]);
    expect(alice.client.messages.outbox()).toEqual([]);
  });

  test('stops the waiting, not the sending', async () => {
    const { alice, bob, conversationId } = await chat();
    const controller = new AbortController();
    alice.port.unplug();
    const sending = rejection(alice.client.messages.send({ conversationId, content: 'later' }, { signal: controller.signal }));
    controller.abort('enough');
    expect(await sending).toBe('enough');
    alice.port.plug();
    expect(await bob.next('message:new')).toMatchObject({ content: 'later' });
  });

  test('of connect() ends the connecting', async () => {
    const { app } = await startWorld();
    const alice = app('alice');
    alice.port.unplug();
    const controller = new AbortController();
    const connecting = rejection(alice.client.connect({ signal: controller.signal }));
    controller.abort('enough');
    expect(await connecting).toBe('enough');
    expect(alice.client.status).toBe('disconnected');
  });
});

describe('wrong use', () => {
  test('is a TypeError', async () => {
    const { alice, conversationId } = await chat();
    const { messages, conversations, presence, typing } = alice.client;
    // What a caller without types can get wrong.
    const wrong = <T>(value: unknown): T => value as T;
    const calls: (() => unknown)[] = [
      () => messages.send({ conversationId: '', content: 'x' }),
      () => messages.send({ conversationId, content: wrong(5) }),
      () => messages.send({ conversationId, content: 'x', clientId: '' }),
      () => messages.list({ conversationId: wrong(undefined) }),
      () => messages.get(''),
      () => messages.search({ query: wrong(undefined) }),
      () => messages.edit({ conversationId, messageId: '', content: 'x' }),
      () => messages.delete({ conversationId: wrong(7), messageId: '1' }),
      () => messages.react({ conversationId, messageId: wrong(null), emoji: '+' }),
      () => messages.forward({ messageId: '1', fromConversationId: '', toConversationId: conversationId }),
      () => messages.markRead({ conversationId, messageId: wrong(1) }),
      () => conversations.get(wrong(5)),
      () => conversations.create({ type: 'group', participantIds: [''] }),
      () => conversations.create({ type: 'group', participantIds: wrong('bob') }),
      () => conversations.addParticipants(conversationId, wrong('bob')),
      () => conversations.join(''),
      () => conversations.leave(''),
      () => conversations.archive('', true),
      () => conversations.mute('', true),
      () => conversations.pin('', true),
      () => conversations.rename('', 'x'),
      () => conversations.addParticipants('', ['x']),
      () => conversations.removeParticipant('', 'x'),
      () => conversations.setRole('', 'x', 'admin'),
      () => conversations.open(''),
      () => presence.set(wrong('asleep')),
      () => presence.watch([wrong(5)]),
      () => presence.watch(wrong('bob')),
      () => typing.start(''),
    ];
    for (const call of calls) {
      const error = await Promise.resolve()
        .then(call)
        .catch((cause: unknown) => cause);
      expect(error, call.toString()).toBeInstanceOf(TypeError);
    }
  });
});

describe('before connect()', () => {
  test('what needs the server is DISCONNECTED; sends wait', async () => {
    const { app, join } = await startWorld();
    const bob = await join('bob');
    const alice = app('alice');
    expect(await code(alice.client.messages.list({ conversationId: 'x' }))).toBe('DISCONNECTED');
    expect(await code(alice.client.conversations.list())).toBe('DISCONNECTED');
    expect(await code(alice.client.conversations.create({ type: 'direct', participantIds: ['bob'] }))).toBe('DISCONNECTED');
    const { id: conversationId } = await bob.client.conversations.create({ type: 'direct', participantIds: ['alice'] });
    const sending = alice.client.messages.send({ conversationId, content: 'written before' });
    expect(alice.client.messages.outbox()).toMatchObject([{ content: 'written before', status: 'sending', senderId: 'alice' }]);
    await alice.client.connect();
    expect(await sending).toMatchObject({ content: 'written before' });
    expect(alice.client.messages.outbox()).toEqual([]);
  });

  test('in Node without a url connect() is a TypeError', async () => {
    const client = new CommClient({ userId: 'alice', storage: memoryStorage() });
    expect(await rejection(client.connect())).toBeInstanceOf(TypeError);
    expect(client.status).toBe('disconnected');
    await client[Symbol.asyncDispose]();
  });
});

describe('events', () => {
  test('a listener that throws stops neither the others nor the client, and is told as an error', async () => {
    const { alice, bob, conversationId } = await chat();
    const mistake = new Error('in the app');
    const heard: string[] = [];
    const later = new CommClient();
    expect(later.status).toBe('idle');
    bob.client.on('message:new', () => {
      throw mistake;
    });
    bob.client.on('message:new', ({ content }) => heard.push(content));
    await alice.client.messages.send({ conversationId, content: 'one' });
    await alice.client.messages.send({ conversationId, content: 'two' });
    await bob.next('message:new', ({ content }) => content === 'two');
    expect(heard).toEqual(['one', 'two']);
    const error: CommError = await bob.next('error');
    expect(error).toMatchObject({ code: 'INTERNAL', cause: mistake });
  });

  test('once(), off(), signals and the returned function end listening', async () => {
    const { alice, bob, conversationId } = await chat();
    const heard: string[] = [];
    const controller = new AbortController();
    const off = ({ content }: Message): void => void heard.push(`off ${content}`);
    bob.client.once('message:new', ({ content }) => heard.push(`once ${content}`));
    bob.client.on('message:new', off);
    bob.client.on('message:new', ({ content }) => heard.push(`signal ${content}`), { signal: controller.signal });
    const stop = bob.client.on('message:new', ({ content }) => heard.push(`stop ${content}`));
    await alice.client.messages.send({ conversationId, content: '1' });
    await bob.next('message:new', ({ content }) => content === '1');
    bob.client.off('message:new', off);
    controller.abort();
    stop();
    await alice.client.messages.send({ conversationId, content: '2' });
    await bob.next('message:new', ({ content }) => content === '2');
    expect(heard.toSorted()).toEqual(['off 1', 'once 1', 'signal 1', 'stop 1']);
  });
});
