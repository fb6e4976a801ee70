import { expect, test } from 'vitest';
import type { RequestName, RequestOf } from '../../../../src/protocol/events.ts';
import { startServer } from '../../../helpers/server/comm-server.ts';
import { sessionInit } from '../../../helpers/server/envelopes.ts';
import { keyBundle } from '../../../helpers/server/keys.ts';

interface Ids {
  conversationId: string;
  messageId: string;
  callId: string;
  userId: string;
}

const KEY = Buffer.alloc(32, 7).toString('base64');
const signal = ({ callId, userId }: Ids) => ({ callId, fromUserId: '', toUserId: userId });

/** Requests of a user who isn't a member, about objects of others. */
const QUESTIONS: { readonly [K in RequestName]?: (ids: Ids) => RequestOf<K> } = {
  'message:send': ({ conversationId }) => ({ conversationId, content: 'Hi', type: 'text' }),
  'message:read': ({ conversationId, messageId }) => ({ conversationId, messageId }),
  'message:delivered': ({ conversationId }) => ({ conversationId, seq: 1 }),
  'message:react': ({ conversationId, messageId }) => ({ conversationId, messageId, emoji: '👍' }),
  'message:edit': ({ conversationId, messageId }) => ({ conversationId, messageId, content: 'Mine now' }),
  'message:delete': ({ conversationId, messageId }) => ({ conversationId, messageId }),
  'typing:start': ({ conversationId }) => ({ conversationId }),
  'typing:stop': ({ conversationId }) => ({ conversationId }),
  'presence:watch': ({ userId }) => ({ userIds: [userId] }),
  'presence:unwatch': ({ userId }) => ({ userIds: [userId] }),
  'conversation:join': ({ conversationId }) => ({ conversationId }),
  'conversation:leave': ({ conversationId }) => ({ conversationId }),
  'conversation:archive': ({ conversationId }) => ({ conversationId, archived: true }),
  'conversation:mute': ({ conversationId }) => ({ conversationId, muted: true }),
  'conversation:pin': ({ conversationId }) => ({ conversationId, pinned: true }),
  'conversation:update': ({ conversationId }) => ({ conversationId, name: 'Mine now' }),
  'conversation:add-participants': ({ conversationId }) => ({ conversationId, userIds: ['mallory'] }),
  'conversation:remove-participant': ({ conversationId, userId }) => ({ conversationId, userId }),
  'conversation:set-role': ({ conversationId, userId }) => ({ conversationId, userId, role: 'owner' }),
  sync: ({ conversationId }) => ({ cursors: { [conversationId]: 0 }, inboxRev: 0 }),
  'call:initiate': ({ conversationId, userId }) => ({ conversationId, type: 'audio', calleeIds: [userId] }),
  'call:respond': ({ callId }) => ({ callId, action: 'accept' }),
  'call:hangup': ({ callId }) => ({ callId, reason: 'completed' }),
  'call:media-toggle': ({ callId }) => ({ callId, audio: false }),
  'call:add-participant': ({ callId }) => ({ callId, userId: 'mallory' }),
  'call:remove-participant': ({ callId, userId }) => ({ callId, userId }),
  'call:quality-report': ({ callId }) => ({ callId, userId: '', quality: 'good' }),
  'signal:offer': (ids) => ({ ...signal(ids), type: 'offer', sdp: 'v=0' }),
  'signal:answer': (ids) => ({ ...signal(ids), type: 'answer', sdp: 'v=0' }),
  'signal:ice-candidate': (ids) => ({ ...signal(ids), candidate: 'c', sdpMLineIndex: 0, sdpMid: '0' }),
  'signal:ice-restart': signal,
  'encryption:request-keys': ({ userId }) => ({ recipientId: userId }),
  'encryption:session-init': ({ userId }) => ({
    recipientId: userId,
    sessionId: 's',
    envelope: {
      senderId: 'mallory',
      recipientId: userId,
      sessionId: 's',
      ciphertext: 'AAAA',
      messageType: 'prekey',
      senderIdentityKey: KEY,
    },
  }),
  'encryption:mailbox-ack': ({ messageId }) => ({ mailboxIds: [messageId] }),
};

test('objects of other users are answered like unknown ones', async () => {
  await using server = await startServer();
  const alice = await server.connect('alice');
  const bob = await server.connect('bob');
  const mallory = await server.connect('mallory');
  const { id: conversationId } = await alice.ask('conversation:create', { type: 'group', participantIds: ['bob'] });
  const { id: messageId } = await alice.ask('message:send', { conversationId, content: 'A secret', type: 'text' });
  const { id: callId } = await alice.ask('call:initiate', { conversationId, type: 'audio', calleeIds: ['bob'] });
  await bob.ask('encryption:upload-keys', keyBundle(3));

  await alice.ask('encryption:session-init', sessionInit('alice', 'bob'));

  const foreign: Ids = { conversationId, messageId, callId, userId: 'bob' };
  const unknown: Ids = {
    conversationId: crypto.randomUUID(),
    messageId: '987654321',
    callId: crypto.randomUUID(),
    userId: 'unknown',
  };
  const answerTo = async (name: string, ask: (ids: Ids) => unknown, ids: Ids): Promise<string> => {
    const reply = JSON.stringify(await mallory.raw(name, ask(ids)));
    // The ids asked for may come back; nothing else may differ.
    return Object.entries(ids).reduce((text, [what, id]) => text.replaceAll(JSON.stringify(id), what), reply);
  };
  for (const [name, ask] of Object.entries(QUESTIONS)) {
    const [told, expected] = [await answerTo(name, ask, foreign), await answerTo(name, ask, unknown)];
    expect(told, name).toBe(expected);
  }
  await mallory.settled();
  expect(mallory.events.filter((event) => event !== 'presence:changed' && event !== 'comm:hello')).toEqual([]);

  const { mailboxId } = await bob.next('encryption:session-init');
  const again = await server.connect('bob');
  expect(await again.next('encryption:session-init')).toMatchObject({ mailboxId });

  const untouched = await alice.ask('conversation:join', { conversationId });
  expect(untouched.head).toEqual({ seq: 1, rev: 1 });
  expect(untouched.conversation.participants.map(({ userId }) => userId).toSorted()).toEqual(['alice', 'bob']);
});

test("without an acknowledgement, the error doesn't reveal whether a user has keys", async () => {
  await using server = await startServer();
  const bob = await server.connect('bob');
  const mallory = await server.connectBase('mallory');
  await bob.ask('encryption:upload-keys', keyBundle(1));
  for (const recipientId of ['bob', 'unknown']) {
    mallory.emit('encryption:request-keys', { recipientId });
    expect(await mallory.next('encryption:keys-response')).toEqual({ error: 'no_keys', recipientId });
  }
});
