import { describe, expect, test } from 'vitest';
import { CommClient, memoryStorage, type CommError, type Message } from '../../../src/index.ts';
import { codeOf, rejectionOf } from '../../helpers/client/rejection.ts';
import { chat, startWorld } from '../../helpers/client/world.ts';

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
      () => messages.react({ ...ref, emoji: '👍' }, options),
      () =>
        messages.forward(
          { messageId: ref.messageId, fromConversationId: conversationId, toConversationId: conversationId },
          options,
        ),
      () => messages.markRead(ref, options),
      () => messages.retry('x', options),
      () => conversations.list({}, options),
      () => conversations.get(conversationId, options),
      () => conversations.create({ type: 'direct', participantIds: ['carol'] }, options),
      () => conversations.leave(conversationId, options),
      () => conversations.archive(conversationId, true, options),
      () => conversations.mute(conversationId, true, options),
      () => conversations.pin(conversationId, true, options),
      () => conversations.update(conversationId, { name: 'x' }, options),
      () => conversations.addParticipants(conversationId, ['carol'], options),
      () => conversations.removeParticipant(conversationId, 'bob', options),
      () => conversations.setRole(conversationId, 'bob', 'admin', options),
      () => presence.set('busy', options),
      () => alice.client.connect(options),
    ];
    for (const call of calls) expect(await rejectionOf(call()), call.toString()).toBe(reason);
    expect(alice.port.sent.slice(before)).toEqual([]);
    expect(alice.client.messages.outbox()).toEqual([]);
  });

  test('ends the wait for a send, not the send', async () => {
    const { alice, bob, conversationId } = await chat();
    const controller = new AbortController();
    alice.port.unplug();
    const sending = rejectionOf(
      alice.client.messages.send({ conversationId, content: 'later' }, { signal: controller.signal }),
    );
    controller.abort('enough');
    expect(await sending).toBe('enough');
    alice.port.plug();
    expect(await bob.next('message:new')).toMatchObject({ content: 'later' });
  });

  test('connect() disconnects', async () => {
    const { app } = await startWorld();
    const alice = app('alice');
    alice.port.unplug();
    const controller = new AbortController();
    const connecting = rejectionOf(alice.client.connect({ signal: controller.signal }));
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
    const wrong = (value: unknown): never => value as never;
    const calls: (() => unknown)[] = [
      () => messages.send({ conversationId: '', content: 'x' }),
      () => messages.send({ conversationId, content: wrong(5) }),
      () => messages.send({ conversationId, content: 'x', clientId: '' }),
      () => messages.list({ conversationId: wrong(undefined) }),
      () => messages.get(''),
      () => messages.search({ query: wrong(undefined) }),
      () => messages.edit({ conversationId, messageId: '', content: 'x' }),
      () => messages.delete({ conversationId: wrong(7), messageId: '1' }),
      () => messages.react({ conversationId, messageId: wrong(null), emoji: '👍' }),
      () => messages.forward({ messageId: '1', fromConversationId: '', toConversationId: conversationId }),
      () => messages.markRead({ conversationId, messageId: wrong(1) }),
      () => conversations.get(wrong(5)),
      () => conversations.create({ type: 'group', participantIds: [''] }),
      () => conversations.create({ type: 'group', participantIds: wrong('bob') }),
      () => conversations.addParticipants(conversationId, wrong('bob')),
      () => conversations.leave(''),
      () => conversations.archive('', true),
      () => conversations.archive(conversationId, wrong('yes')),
      () => conversations.update(conversationId, wrong('x')),
      () => messages.edit({ conversationId, messageId: '1', content: wrong(undefined) }),
      () => messages.retry(''),
      () => conversations.mute('', true),
      () => conversations.pin('', true),
      () => conversations.update('', { name: 'x' }),
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

describe('wrong options', () => {
  test.each<[title: string, call: (client: CommClient) => unknown, message: string]>([
    ['a string', ({ messages }) => messages.list('c' as never), 'messages.list() takes an object; got a string'],
    ['a string', ({ messages }) => messages.delete('m' as never), 'messages.delete() takes an object; got a string'],
    ['nothing', ({ messages }) => messages.send(undefined as never), 'messages.send() takes an object; got undefined'],
    [
      'a wrong name',
      ({ messages }) => messages.send({ conversationID: 'c', content: 'x' } as never),
      'Unknown option of messages.send() "conversationID": did you mean "conversationId"?',
    ],
    [
      'a wrong name',
      ({ conversations }) => conversations.update('c', { title: 'x' } as never),
      'Unknown option of conversations.update() "title": must be one of name, frozen, slowModeSeconds, description, avatarUrl, metadata, visibility',
    ],
    [
      'a wrong name',
      ({ conversations }) => conversations.create({ type: 'group', participants: [] } as never),
      'Unknown option of conversations.create() "participants": did you mean "participantIds"?',
    ],
    [
      'a wrong value',
      ({ conversations }) => conversations.setRole('c', 'bob', 'admn' as never),
      'Unknown role "admn": did you mean "admin"?',
    ],
    ['a wrong value', ({ presence }) => presence.set('awy' as never), 'Unknown status "awy": did you mean "away"?'],
  ])('%s is explained: %#', async (_title, call, message) => {
    const client = new CommClient({ url: 'http://127.0.0.1:1', storage: memoryStorage() });
    const error = await Promise.resolve()
      .then(() => call(client))
      .catch((cause: unknown) => cause);
    expect(error).toEqual(new TypeError(message));
  });
});

describe('before connect()', () => {
  test('requests reject with DISCONNECTED, and sends wait', async () => {
    const { app, join } = await startWorld();
    const bob = await join('bob');
    const alice = app('alice');
    expect(await codeOf(alice.client.messages.list({ conversationId: 'x' }))).toBe('DISCONNECTED');
    expect(await codeOf(alice.client.conversations.list())).toBe('DISCONNECTED');
    expect(await codeOf(alice.client.conversations.create({ type: 'direct', participantIds: ['bob'] }))).toBe(
      'DISCONNECTED',
    );
    const { id: conversationId } = await bob.client.conversations.create({ type: 'direct', participantIds: ['alice'] });
    const sending = alice.client.messages.send({ conversationId, content: 'written before' });
    expect(alice.client.messages.outbox()).toMatchObject([
      { content: 'written before', status: 'sending', senderId: 'alice' },
    ]);
    await alice.client.connect();
    expect(await sending).toMatchObject({ content: 'written before' });
    expect(alice.client.messages.outbox()).toEqual([]);
  });

  test('in Node without a url connect() is a TypeError', async () => {
    const client = new CommClient({ userId: 'alice', storage: memoryStorage() });
    expect(await rejectionOf(client.connect())).toBeInstanceOf(TypeError);
    expect(client.status).toBe('disconnected');
    await client[Symbol.asyncDispose]();
  });
});

describe('events', () => {
  test('a listener that throws affects neither other listeners nor the client, and emits error', async () => {
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
