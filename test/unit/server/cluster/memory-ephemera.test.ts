import { describe, expect, test } from 'vitest';
import type { Call } from '../../../../src/protocol/calls.ts';
import { CommunicationStore } from '../../../../src/server/cluster/memory-ephemera.ts';
import { manualClock } from '../../../helpers/manual-clock.ts';
import { keyBundle } from '../../../helpers/server/keys.ts';

const participant = (userId: string): Call['participants'][number] => ({
  userId,
  joinedAt: '2025-01-01T00:00:00.000Z',
  audioMuted: false,
  videoMuted: true,
  screenSharing: false,
});
const CALL: Call = {
  id: 'call',
  conversationId: 'room',
  type: 'audio',
  state: 'initiating',
  callerId: 'ada',
  calleeIds: ['bob'],
  startedAt: '2025-01-01T00:00:00.000Z',
  participants: [participant('ada')],
};

describe('the calls of the store', () => {
  test('a call that was added is returned as it was, and to its participants and callees', () => {
    const store = new CommunicationStore();
    store.addCall(CALL);
    expect(store.getCall('call')).toEqual(CALL);
    expect(store.getActiveCallForUser('ada')).toEqual(CALL);
    expect(store.getActiveCallForUser('bob')).toEqual(CALL);
    expect(store.getActiveCallForUser('eve')).toBeUndefined();
    store.removeCall('call');
    expect(store.getCall('call')).toBeUndefined();
  });

  test('a state sets the times that belong to it', () => {
    const clock = manualClock(Date.UTC(2025, 0, 1));
    const store = new CommunicationStore(clock);
    store.addCall(CALL);
    clock.advance(1_000);
    expect(store.updateCallState('call', 'connected')).toMatchObject({ answeredAt: '2025-01-01T00:00:01.000Z' });
    clock.advance(1_000);
    expect(store.updateCallState('call', 'reconnecting')).toMatchObject({ state: 'connected' });
    expect(store.updateCallState('call', 'ended', 'completed')).toMatchObject({
      state: 'ended',
      endReason: 'completed',
      answeredAt: '2025-01-01T00:00:01.000Z',
      endedAt: '2025-01-01T00:00:02.000Z',
    });
    expect(store.updateCallState('other', 'ended')).toBeUndefined();
  });

  test('participants are added once and removed', () => {
    const store = new CommunicationStore();
    store.addCall(CALL);
    store.addCallParticipant('call', participant('bob'));
    const muted = { ...participant('bob'), audioMuted: true };
    expect(store.addCallParticipant('call', muted)?.participants).toEqual([participant('ada'), muted]);
    expect(store.removeCallParticipant('call', 'ada')?.participants).toEqual([muted]);
    expect(store.addCallParticipant('other', muted)).toBeUndefined();
  });
});

test('a copy of published keys is counted down as prekeys are taken', () => {
  const store = new CommunicationStore();
  const bundle = keyBundle(3);
  expect([store.getKeyBundle('ada'), store.getOneTimePreKeyCount('ada')]).toEqual([undefined, 0]);
  store.setKeyBundle('ada', bundle);
  store.dropOneTimePreKey('ada', 2);
  expect(store.popOneTimePreKey('ada')).toEqual(bundle.oneTimePreKeys[0]);
  expect(store.getKeyBundle('ada')).toEqual({ ...bundle, oneTimePreKeys: [bundle.oneTimePreKeys[2]] });
  expect(store.getOneTimePreKeyCount('ada')).toBe(1);
  store.removeKeyBundle('ada');
  expect(store.popOneTimePreKey('ada')).toBeUndefined();
});

test('the typing of a user ends in all conversations', () => {
  const store = new CommunicationStore(manualClock());
  for (const conversationId of ['one', 'two']) store.setTyping(conversationId, 'ada', () => undefined);
  store.setTyping('two', 'bob', () => undefined);
  expect(store.clearAllTypingForUser('ada')).toEqual(['one', 'two']);
  expect([store.getTypingUsers('one'), store.getTypingUsers('two')]).toEqual([[], ['bob']]);
});
