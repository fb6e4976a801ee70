import { describe, expect, test } from 'vitest';
import { names, useBaseServer } from '../../helpers/base-server/fixture.ts';

const base = useBaseServer();

describe('calls and keys', () => {
  const conversationId = 'c';

  test('a call is relayed with the states initiating and connecting, but not ringing and connected', async () => {
    const [ann, bob] = [await base.client('ann'), await base.client('bob')];
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

  test('busy, rejected and unknown calls are answered', async () => {
    const [ann, bob, cleo] = [await base.client('ann'), await base.client('bob'), await base.client('cleo')];
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

  test('one-time prekeys are issued once, and their depletion is pushed', async () => {
    const [ann, bob] = [await base.client('ann'), await base.client('bob')];
    bob.emit('encryption:upload-keys', { identityKey: 'k', oneTimePreKeys: [{ keyId: 1, publicKey: 'p' }] });
    expect(await bob.next('encryption:keys-uploaded')).toEqual({ userId: 'bob', keyCount: 1 });
    ann.emit('encryption:request-keys', { recipientId: 'bob' });
    expect(await ann.next('encryption:keys-response')).toMatchObject({
      recipientId: 'bob',
      oneTimePreKey: { keyId: 1 },
    });
    expect(await bob.next('encryption:keys-depleted')).toEqual({ userId: 'bob' });
    ann.emit('encryption:request-keys', { recipientId: 'unknown-user' });
    expect(await ann.next('encryption:keys-response')).toEqual({ error: 'no_keys', recipientId: 'unknown-user' });
    ann.emit('encryption:session-init', { recipientId: 'bob', sessionId: 's', envelope: {} });
    expect(await bob.next('encryption:session-init')).toEqual({ senderId: 'ann', sessionId: 's', envelope: {} });
  });
});
