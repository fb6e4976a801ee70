import { describe, expect, test } from 'vitest';
import { names, useBaseServer } from '../../helpers/base-server/fixture.ts';

const base = useBaseServer();

describe('connecting', () => {
  test('disconnects a socket without a user id', async () => {
    const raw = await base.connect({});
    await expect.poll(() => raw.socket.connected).toBe(false);
    expect(base.server.connected).toEqual([]);
  });

  test('accepts the user in a header, and sends neither hello nor acknowledgements', async () => {
    const raw = await base.connect({ headers: { 'x-user-id': 'ann' }, auth: { caps: ['ack', 'rev'] } });
    raw.socket.emit('nk:typing:start', { conversationId: 'c' }, () => expect.unreachable('acknowledged'));
    await raw.settled();
    expect(base.server.connected).toEqual(['ann']);
    expect(names(raw)).toEqual([]);
  });

  test('loses frames that arrive before its listeners are registered', async () => {
    const conversationId = base.server.seedConversation({ participantIds: ['ann'] });
    const release = base.server.holdListeners();
    const raw = await base.connect({ userId: 'ann' });
    raw.emit('message:send', { conversationId, content: 'early', type: 'text' });
    // Another client's connection shows that the frame above has arrived.
    await base.connect({ userId: 'bob' });
    release();
    await expect.poll(() => base.server.connected).toEqual(['ann', 'bob']);
    await raw.settled();
    expect(base.server.data.messages).toEqual([]);
  });

  test('distinguishes disconnecting its clients from cutting their connections', async () => {
    const [ann, bob] = [await base.client('ann'), await base.client('bob')];
    const reasons: unknown[] = [];
    for (const { socket } of [ann, bob]) socket.on('disconnect', (reason) => reasons.push(reason));
    ann.close();
    await expect.poll(() => base.server.connected).toEqual(['bob']);
    base.server.disconnectAll();
    await expect.poll(() => reasons).toEqual(['io client disconnect', 'io server disconnect']);
    const eve = await base.client('eve');
    eve.socket.on('disconnect', (reason) => reasons.push(reason));
    base.server.cutAll();
    await expect.poll(() => reasons.at(-1)).toBe('transport close');
  });
});
