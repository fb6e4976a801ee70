import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { manualClock, type ManualClock } from '../helpers/manual-clock.ts';
import { startBaseServer, type BaseServer, type BaseServerOptions } from '../helpers/base-server.ts';
import { connectRaw, type RawClient } from '../helpers/raw-client.ts';

let clock: ManualClock;
let server: BaseServer;
const clients: RawClient[] = [];

beforeEach(() => start());
afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  await server.close();
});

async function start(options: BaseServerOptions = {}): Promise<void> {
  clock = manualClock(Date.UTC(2025, 0, 1));
  server = await startBaseServer({ clock, ...options });
}

async function restart(options: BaseServerOptions): Promise<void> {
  await server.close();
  await start(options);
}

async function client(userId: string, ...joining: string[]): Promise<RawClient> {
  const raw = await connectRaw(server.url, { userId });
  clients.push(raw);
  for (const conversationId of joining) raw.emit('conversation:join', { conversationId });
  await raw.settled();
  return raw;
}

const names = ({ pushes }: RawClient): string[] =>
  pushes.map(({ event }) => event).filter((event) => event !== 'conversation:updated');

async function rest(path: string, userId = 'ann'): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${server.url}/__nk_comm${path}`, { headers: { 'x-user-id': userId } });
  return { status: response.status, body: await response.json() };
}

describe('connecting', () => {
  test('who says nobody is disconnected on purpose', async () => {
    const raw = await connectRaw(server.url);
    clients.push(raw);
    await expect.poll(() => raw.socket.connected).toBe(false);
    expect(server.connected).toEqual([]);
  });

  test('the header names a user too, there is no hello, and nothing is acknowledged', async () => {
    const raw = await connectRaw(server.url, { headers: { 'x-user-id': 'ann' }, auth: { caps: ['ack', 'rev'] } });
    clients.push(raw);
    raw.socket.emit('nk:typing:start', { conversationId: 'c' }, () => expect.unreachable('acknowledged'));
    await raw.settled();
    expect(server.connected).toEqual(['ann']);
    expect(names(raw)).toEqual([]);
  });

  test('what is emitted before the listeners stand is lost', async () => {
    const conversationId = server.seedConversation({ participantIds: ['ann'] });
    const release = server.holdListeners();
    const raw = await connectRaw(server.url, { userId: 'ann' });
    clients.push(raw);
    raw.emit('message:send', { conversationId, content: 'early', type: 'text' });
    // By the time that somebody else has connected, the frame above has arrived.
    const early = await connectRaw(server.url, { userId: 'bob' });
    clients.push(early);
    release();
    await expect.poll(() => server.connected).toEqual(['ann', 'bob']);
    await raw.settled();
    expect(server.data.messages).toEqual([]);
  });

  test('disconnecting everybody is on purpose, cutting is an accident', async () => {
    const [ann, bob] = [await client('ann'), await client('bob')];
    const reasons: unknown[] = [];
    for (const { socket } of [ann, bob]) socket.on('disconnect', (reason) => reasons.push(reason));
    ann.close();
    await expect.poll(() => server.connected).toEqual(['bob']);
    server.disconnectAll();
    await expect.poll(() => reasons).toEqual(['io client disconnect', 'io server disconnect']);
    const eve = await client('eve');
    eve.socket.on('disconnect', (reason) => reasons.push(reason));
    server.cutAll();
    await expect.poll(() => reasons.at(-1)).toBe('transport close');
  });
});

describe('messages', () => {
  let conversationId: string;
  beforeEach(() => {
    conversationId = server.seedConversation({ participantIds: ['ann', 'bob', 'cleo'] });
  });

  test('a message reaches the room as sent, and its states only the socket that sent it', async () => {
    const [ann, phone, bob] = [
      await client('ann', conversationId),
      await client('ann', conversationId),
      await client('bob', conversationId),
    ];
    ann.emit('message:send', { conversationId, content: 'Hi', type: 'text' });
    const message = await bob.next('message:new');
    expect(message).toMatchObject({ id: '1', senderId: 'ann', content: 'Hi', status: 'sent', readBy: [] });
    await ann.next('message:status', ({ status }) => status === 'delivered');
    expect(names(ann).slice(-3)).toEqual(['message:status', 'message:new', 'message:status']);
    await phone.next('message:new');
    await phone.settled();
    expect(names(phone)).not.toContain('message:status');
  });

  test('who has not joined hears nothing, not even their own message', async () => {
    const [ann, bob] = [await client('ann'), await client('bob')];
    ann.emit('message:send', { conversationId, content: 'Hi', type: 'text' });
    await ann.settled();
    await bob.settled();
    expect(names(ann)).toEqual(['message:status']);
    expect(names(bob)).toEqual([]);
    expect(server.data.messages).toHaveLength(1);
  });

  test.each([
    ['empty content', { content: '' }],
    ['a numeric conversation id', { conversationId: 7 }],
    ['no type', { type: undefined }],
  ])('a send with %s is dropped without a word', async (_title, wrong) => {
    const ann = await client('ann', conversationId);
    ann.emit('message:send', { conversationId, content: 'Hi', type: 'text', ...wrong });
    ann.emit('message:read', { conversationId, messageId: 1 });
    ann.emit('message:send', null);
    await ann.settled();
    expect(server.data.messages).toEqual([]);
    expect(names(ann)).toEqual([]);
  });

  test('refusals name no message', async () => {
    const [ann, eve] = [await client('ann', conversationId), await client('eve', conversationId)];
    expect(await eve.next('error')).toEqual({ code: 'FORBIDDEN', message: expect.any(String) as string });
    eve.emit('message:send', { conversationId, content: 'Hi', type: 'text' });
    expect(await eve.next('message:error')).toEqual({ code: 'FORBIDDEN', message: expect.any(String) as string });
    server.refuseNextSend('RATE_LIMITED', 'Slower');
    ann.emit('message:send', { conversationId, content: 'refused', type: 'text' });
    ann.emit('message:send', { conversationId, content: 'x'.repeat(10_001), type: 'text' });
    ann.emit('message:send', { conversationId, content: 'taken', type: 'text' });
    expect(await ann.next('message:error')).toEqual({ code: 'RATE_LIMITED', message: 'Slower' });
    expect(await ann.next('message:error')).toMatchObject({ code: 'MESSAGE_TOO_LONG' });
    expect(await ann.next('message:new')).toMatchObject({ content: 'taken' });
    expect(server.data.messages).toHaveLength(1);
  });

  test('the first reader of a group turns a message read, and the room gets a receipt', async () => {
    const [ann, bob] = [await client('ann', conversationId), await client('bob', conversationId)];
    const messageId = server.seedMessage({ conversationId, senderId: 'ann', content: 'Hi' });
    bob.emit('message:read', { conversationId, messageId });
    expect(await ann.next('read-receipt:update')).toMatchObject({
      conversationId,
      messageId,
      readBy: { userId: 'bob' },
    });
    expect(await bob.next('message:status')).toEqual({ messageId, status: 'read' });
    await ann.settled();
    expect(names(ann)).not.toContain('message:status');
    expect(server.data.message(messageId)?.status).toBe('read');
  });

  test('edits say neither where nor the whole message, deletions do, and only one’s own', async () => {
    const [ann, bob] = [await client('ann', conversationId), await client('bob', conversationId)];
    const messageId = server.seedMessage({ conversationId, senderId: 'ann', content: 'Hi' });
    bob.emit('message:edit', { conversationId, messageId, content: 'Bob was here' });
    bob.emit('message:delete', { conversationId, messageId });
    await bob.settled();
    ann.emit('message:edit', { conversationId, messageId, content: 'Hello' });
    expect(await bob.next('message:updated')).toEqual({
      messageId,
      content: 'Hello',
      updatedAt: '2025-01-01T00:00:00.000Z',
      editedBy: 'ann',
    });
    ann.emit('message:delete', { conversationId, messageId });
    expect(await bob.next('message:deleted')).toEqual({ messageId, conversationId, deletedBy: 'ann' });
    expect(server.data.message(messageId)).toMatchObject({ content: '', type: 'system' });
  });

  test('reactions toggle', async () => {
    const [ann, bob] = [await client('ann', conversationId), await client('bob', conversationId)];
    const messageId = server.seedMessage({ conversationId, senderId: 'ann', content: 'Hi' });
    const react = (raw: RawClient): void => raw.emit('message:react', { conversationId, messageId, emoji: '👍' });
    react(ann);
    expect(await ann.next('message:reaction-update')).toEqual({
      messageId,
      reactions: [{ emoji: '👍', count: 1, users: ['ann'] }],
    });
    react(bob);
    expect(await ann.next('message:reaction-update')).toMatchObject({
      reactions: [{ count: 2, users: ['ann', 'bob'] }],
    });
    react(ann);
    expect(await ann.next('message:reaction-update')).toMatchObject({ reactions: [{ count: 1, users: ['bob'] }] });
  });

  test('a forwarded message comes as message:forwarded alone', async () => {
    const other = server.seedConversation({ participantIds: ['ann'] });
    const messageId = server.seedMessage({ conversationId, senderId: 'bob', content: 'Pass it on' });
    const ann = await client('ann', other);
    ann.emit('message:forward', { messageId, fromConversationId: conversationId, toConversationId: other });
    expect(await ann.next('message:forwarded')).toMatchObject({
      id: '2',
      conversationId: other,
      senderId: 'ann',
      content: 'Pass it on',
      forwardedFrom: { conversationId, messageId },
    });
    await ann.settled();
    expect(names(ann)).toEqual(['message:forwarded']);
  });
});

describe('presence and typing', () => {
  test('presence goes to the rooms that were joined, offline with the last socket', async () => {
    const conversationId = server.seedConversation({ participantIds: ['ann', 'bob'] });
    const [ann, bob, phone] = [
      await client('ann', conversationId),
      await client('bob', conversationId),
      await client('bob'),
    ];
    // Coming online is told into rooms joined by an earlier socket only.
    expect(await ann.next('presence:changed')).toMatchObject({ userId: 'bob', status: 'online' });
    phone.emit('presence:update', { status: 'busy' });
    expect(await ann.next('presence:changed')).toMatchObject({ userId: 'bob', status: 'busy' });
    bob.close();
    phone.close();
    expect(await ann.next('presence:changed')).toEqual({
      userId: 'bob',
      status: 'offline',
      lastSeen: '2025-01-01T00:00:00.000Z',
    });
  });

  test('typing goes to the others, ends by itself, and with the connection', async () => {
    const conversationId = server.seedConversation({ participantIds: ['ann', 'bob'] });
    const [ann, bob] = [await client('ann', conversationId), await client('bob', conversationId)];
    const typing = (isTyping: boolean): object => ({ conversationId, userId: 'ann', isTyping });
    ann.emit('typing:start', { conversationId });
    expect(await bob.next('typing:update')).toEqual(typing(true));
    clock.advance(5_000);
    expect(await bob.next('typing:update')).toEqual(typing(false));
    // Its end by itself is told to everybody, the rest only to the others.
    expect(await ann.next('typing:update')).toEqual(typing(false));
    ann.emit('typing:start', { conversationId });
    ann.emit('typing:stop', { conversationId });
    await bob.next('typing:update');
    expect(await bob.next('typing:update')).toEqual(typing(false));
    ann.emit('typing:start', { conversationId });
    await bob.next('typing:update');
    ann.close();
    expect(await bob.next('typing:update')).toEqual(typing(false));
  });
});

describe('conversations', () => {
  test('a new one is told to all sockets of the others, and to the one that created it, which is in its room', async () => {
    const [ann, bob, phone] = [await client('ann'), await client('bob'), await client('bob')];
    ann.emit('conversation:create', { type: 'direct', participantIds: ['bob'] });
    const conversation = await ann.next('conversation:new');
    expect(conversation).toMatchObject({
      type: 'direct',
      unreadCount: 0,
      participants: [
        { userId: 'ann', displayName: '', role: 'owner', presence: 'online' },
        { userId: 'bob', role: 'member' },
      ],
    });
    expect(await bob.next('conversation:new')).toEqual(conversation);
    expect(await phone.next('conversation:new')).toEqual(conversation);
    ann.emit('message:send', { conversationId: conversation['id'], content: 'Hi', type: 'text' });
    await ann.next('message:new');
  });

  test('archiving is told to the room, partially; muting and pinning to the socket that asked', async () => {
    const conversationId = server.seedConversation({ participantIds: ['ann', 'bob'] });
    const [ann, bob] = [await client('ann', conversationId), await client('bob', conversationId)];
    const mine = ({ id }: Readonly<Record<string, unknown>>): boolean => id === conversationId;
    ann.emit('conversation:archive', { conversationId, archived: true });
    expect(await bob.next('conversation:updated', mine)).toEqual({ id: conversationId, archived: true });
    ann.emit('conversation:pin', { conversationId, pinned: true });
    await ann.next('conversation:updated', mine);
    expect(await ann.next('conversation:updated', mine)).toEqual({ id: conversationId, pinned: true });
    await bob.settled();
    expect(bob.pushes.filter(({ data }) => mine(data))).toHaveLength(1);
  });
});

describe('over REST', () => {
  test('who says nobody gets 401, and a user can be named by header or query', async () => {
    expect((await fetch(`${server.url}/__nk_comm/conversations`)).status).toBe(401);
    expect((await fetch(`${server.url}/__nk_comm/conversations?userId=ann`)).status).toBe(200);
    expect((await rest('/conversations')).status).toBe(200);
    expect(server.requests).toContain('GET /__nk_comm/conversations?userId=ann');
  });

  test('conversations are rows, newest activity first, and count one’s own messages as unread', async () => {
    const old = server.seedConversation({ id: 'old', participantIds: ['ann'], name: 'Old' });
    clock.advance(1_000);
    server.seedConversation({ id: 'new', type: 'direct', participantIds: ['ann', 'bob'] });
    server.seedConversation({ id: 'foreign', participantIds: ['bob'] });
    clock.advance(1_000);
    server.seedMessage({ conversationId: old, senderId: 'ann', content: 'own' });
    const { body } = await rest('/conversations');
    expect(body).toMatchObject([
      { id: 'old', type: 'group', name: 'Old', unread_count: 1, updated_at: '2025-01-01T00:00:02.000Z' },
      { id: 'new', type: 'direct', name: null, unread_count: 0 },
    ]);
    expect((await rest('/conversations?limit=1&offset=1')).body).toMatchObject([{ id: 'new' }]);
  });

  test('a conversation is created with its caller in it', async () => {
    const response = await fetch(`${server.url}/__nk_comm/conversations?userId=ann`, {
      method: 'POST',
      body: JSON.stringify({ type: 'group', name: 'New', participantIds: ['bob'] }),
    });
    expect(response.status).toBe(201);
    const { id } = (await response.json()) as { id: string };
    expect((await rest('/conversations', 'bob')).body).toMatchObject([{ id, name: 'New' }]);
  });

  test('messages are rows with numeric ids, attachments as text, and times as they were written', async () => {
    const conversationId = server.seedConversation({ participantIds: ['ann'] });
    const attachment = { url: '/f', mimeType: 'image/png', fileName: 'f', fileSize: 1 };
    const createdAt = '2025-01-01 12:30:00';
    server.seedMessage({ conversationId, senderId: 'ann', content: 'f', type: 'image', attachment, createdAt });
    server.seedMessage({ conversationId, senderId: 'ann', content: '{}', encrypted: true, replyTo: '1' });
    expect((await rest(`/messages/${conversationId}`)).body).toMatchObject([
      { id: 2, encrypted: 1, reply_to: '1', attachment: null, created_at: '2025-01-01T00:00:00.000Z' },
      {
        id: 1,
        encrypted: 0,
        attachment: JSON.stringify(attachment),
        created_at: createdAt,
        conversation_id: conversationId,
      },
    ]);
  });

  test('pages are newest first and strictly before a time, so the rest of a tie is never handed out', async () => {
    const conversationId = server.seedConversation({ participantIds: ['ann'] });
    const older = '2024-12-01T00:00:00.000Z';
    const tied = '2024-12-02T00:00:00.000Z';
    server.seedMessages({ conversationId, senderId: 'ann', createdAt: older }, 2, 'older');
    server.seedMessages({ conversationId, senderId: 'ann', createdAt: tied }, 4, 'tied');
    const contents = async (query: string): Promise<string[]> =>
      ((await rest(`/messages/${conversationId}?${query}`)).body as { content: string }[]).map(
        ({ content }) => content,
      );
    expect(await contents('limit=3')).toEqual(['tied 4', 'tied 3', 'tied 2']);
    expect(await contents(`limit=3&before=${tied}`)).toEqual(['older 2', 'older 1']);
    expect(await contents('limit=50')).toHaveLength(6);
  });

  test('search is by part of the text; our own routes are absent, unless it is told otherwise', async () => {
    const conversationId = server.seedConversation({ id: 'c', participantIds: ['ann'] });
    server.seedMessages({ conversationId, senderId: 'ann' }, 2, 'Needle');
    expect((await rest('/search?q=needle%202')).body).toMatchObject([{ id: 2 }]);
    for (const path of [
      '/messages/search?q=needle',
      '/conversations/c/messages',
      '/conversations/c/changes?after=0',
      '/x',
    ]) {
      expect(await rest(path)).toEqual({ status: 404, body: { error: 'Not found' } });
    }
    await restart({ messagesOfConversation: true, messagesSearch: 'conversation', history: 'newest' });
    server.seedConversation({ id: 'c', participantIds: ['ann'] });
    server.seedMessages({ conversationId: 'c', senderId: 'ann' }, 60);
    expect(await rest('/messages/search?q=message')).toEqual({ status: 200, body: [] });
    expect((await rest('/conversations/c/messages?limit=5')).body).toHaveLength(50);
  });
});

describe('calls and keys', () => {
  const conversationId = 'c';

  test('a call is relayed: initiating and connecting are told, ringing and connected never', async () => {
    const [ann, bob] = [await client('ann'), await client('bob')];
    ann.emit('call:initiate', { conversationId, type: 'audio', calleeIds: ['bob'] });
    const call = await bob.next('call:incoming');
    const callId = call['id'];
    expect(await ann.next('call:state-changed')).toEqual({ callId, state: 'initiating' });
    bob.emit('call:respond', { callId, action: 'accept' });
    expect(await ann.next('call:participant-joined')).toMatchObject({ callId, participant: { userId: 'bob' } });
    expect(await ann.next('call:state-changed')).toEqual({ callId, state: 'connecting' });
    expect(await bob.next('call:state-changed')).toEqual({ callId, state: 'connecting' });
    const offer = { callId, fromUserId: 'ann', toUserId: 'bob', type: 'offer', sdp: 'v=0' };
    ann.emit('signal:offer', { ...offer, fromUserId: 'eve' });
    ann.emit('signal:offer', offer);
    expect(await bob.next('signal:offer')).toEqual(offer);
    ann.emit('call:media-toggle', { callId, audio: false });
    expect(await bob.next('call:media-changed')).toEqual({ callId, userId: 'ann', audio: false });
    ann.emit('call:hangup', { callId, reason: 'completed' });
    expect(await bob.next('call:participant-left')).toEqual({ callId, userId: 'ann' });
    expect(await bob.next('call:state-changed')).toEqual({ callId, state: 'ended', endReason: 'completed' });
  });

  test('busy, rejected and unknown calls', async () => {
    const [ann, bob, cleo] = [await client('ann'), await client('bob'), await client('cleo')];
    ann.emit('call:initiate', { conversationId, type: 'video', calleeIds: ['bob'] });
    const { id: callId } = await bob.next('call:incoming');
    cleo.emit('call:initiate', { conversationId, type: 'video', calleeIds: ['bob'] });
    expect(await cleo.next('call:state-changed', ({ state }) => state === 'ended')).toMatchObject({
      endReason: 'busy',
    });
    cleo.emit('call:respond', { callId: 'unknown', action: 'accept' });
    bob.emit('call:respond', { callId, action: 'reject' });
    expect(await ann.next('call:state-changed', ({ state }) => state === 'ended')).toMatchObject({
      endReason: 'rejected',
    });
    await cleo.settled();
    expect(names(cleo)).toEqual(['call:state-changed', 'call:state-changed']);
  });

  test('one-time prekeys are handed out once, and their end is told', async () => {
    const [ann, bob] = [await client('ann'), await client('bob')];
    bob.emit('encryption:upload-keys', { identityKey: 'k', oneTimePreKeys: [{ keyId: 1, publicKey: 'p' }] });
    expect(await bob.next('encryption:keys-uploaded')).toEqual({ userId: 'bob', keyCount: 1 });
    ann.emit('encryption:request-keys', { recipientId: 'bob' });
    expect(await ann.next('encryption:keys-response')).toMatchObject({
      recipientId: 'bob',
      oneTimePreKey: { keyId: 1 },
    });
    expect(await bob.next('encryption:keys-depleted')).toEqual({ userId: 'bob' });
    ann.emit('encryption:request-keys', { recipientId: 'nobody' });
    expect(await ann.next('encryption:keys-response')).toEqual({ error: 'no_keys', recipientId: 'nobody' });
    ann.emit('encryption:session-init', { recipientId: 'bob', sessionId: 's', envelope: {} });
    expect(await bob.next('encryption:session-init')).toEqual({ senderId: 'ann', sessionId: 's', envelope: {} });
  });
});
