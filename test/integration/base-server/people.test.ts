import { describe, expect, test } from 'vitest';
import { useBaseServer } from '../../helpers/base-server/fixture.ts';

const base = useBaseServer();

describe('presence and typing', () => {
  test('presence is pushed to joined rooms, and is offline after the last socket disconnects', async () => {
    const conversationId = base.server.seedConversation({ participantIds: ['ann', 'bob'] });
    const [ann, bob, phone] = [
      await base.client('ann', conversationId),
      await base.client('bob', conversationId),
      await base.client('bob'),
    ];
    // online is pushed only to rooms that an earlier socket has joined.
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

  test('typing is pushed to the others and ends by a timeout or with the connection', async () => {
    const conversationId = base.server.seedConversation({ participantIds: ['ann', 'bob'] });
    const [ann, bob] = [await base.client('ann', conversationId), await base.client('bob', conversationId)];
    const typing = (isTyping: boolean): object => ({ conversationId, userId: 'ann', isTyping });
    ann.emit('typing:start', { conversationId });
    expect(await bob.next('typing:update')).toEqual(typing(true));
    base.clock.advance(5_000);
    expect(await bob.next('typing:update')).toEqual(typing(false));
    // The timeout is pushed to all sockets, other changes only to the others.
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
  test('a new conversation is pushed to all sockets of the others and to the creating socket, which joins its room', async () => {
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

  test('archiving pushes a partial conversation to the room, muting and pinning to the requesting socket', async () => {
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
