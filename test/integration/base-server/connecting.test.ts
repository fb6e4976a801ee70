import { describe, expect, test } from 'vitest';
import { names, useBaseServer } from '../../helpers/base-server/fixture.ts';

const base = useBaseServer();

describe('connecting', () => {
  test('who says nobody is disconnected on purpose', async () => {
    const raw = await base.connect({});
    await expect.poll(() => raw.socket.connected).toBe(false);
    expect(base.server.connected).toEqual([]);
  });

  test('the header names a user too, there is no hello, and nothing is acknowledged', async () => {
    const raw = await base.connect({ headers: { 'x-user-id': 'ann' }, auth: { caps: ['ack', 'rev'] } });
    raw.socket.emit('nk:typing:start', { conversationId: 'c' }, () => expect.unreachable('acknowledged'));
    await raw.settled();
    expect(base.server.connected).toEqual(['ann']);
    expect(names(raw)).toEqual([]);
  });

  test('what is emitted before the listeners stand is lost', async () => {
    const conversationId = base.server.seedConversation({ participantIds: ['ann'] });
    const release = base.server.holdListeners();
    const raw = await base.connect({ userId: 'ann' });
    raw.emit('message:send', { conversationId, content: 'early', type: 'text' });
    // By the time that somebody else has connected, the frame above has arrived.
    await base.connect({ userId: 'bob' });
    release();
    await expect.poll(() => base.server.connected).toEqual(['ann', 'bob']);
    await raw.settled();
    expect(base.server.data.messages).toEqual([]);
  });

  test('disconnecting everybody is on purpose, cutting is an accident', async () => {
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
