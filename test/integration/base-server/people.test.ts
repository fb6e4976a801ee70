import { describe, expect, test } from 'vitest';
import { useBaseServer } from '../../helpers/base-server/fixture.ts';

const base = useBaseServer();

describe('presence and typing', () => {
  test('presence goes to the rooms that were joined, offline with the last socket', async () => {
    const conversationId = base.server.seedConversation({ participantIds: ['ann', 'bob'] });
    const [ann, bob, phone] = [
      await base.client('ann', conversationId),
      await base.client('bob', conversationId),
      await base.client('bob'),
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
    const conversationId = base.server.seedConversation({ participantIds: ['ann', 'bob'] });
    const [ann, bob] = [await base.client('ann', conversationId), await base.client('bob', conversationId)];
    const typing = (isTyping: boolean): object => ({ conversationId, userId: 'ann', isTyping });
    ann.emit('typing:start', { conversationId });
    expect(await bob.next('typing:update')).toEqual(typing(true));
    base.clock.advance(5_000);
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
    const [ann, bob, phone] = [await base.client('ann'), await base.client('bob'), await base.client('bob')];
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
    const conversationId = base.server.seedConversation({ participantIds: ['ann', 'bob'] });
    const [ann, bob] = [await base.client('ann', conversationId), await base.client('bob', conversationId)];
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
