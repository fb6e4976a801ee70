import { describe, expect, test } from 'vitest';
import { CallActivity, type CallActivityHost } from '../../../../../src/client/calls/session/call-activity.ts';
import type { DataChannel, PeerId } from '../../../../../src/client/calls/webrtc/media-backend.ts';
import { manualClock } from '../../../../helpers/manual-clock.ts';

const BOB: PeerId = { userId: 'bob', deviceId: 'B' };
const CAROL: PeerId = { userId: 'carol', deviceId: 'C' };

/** Creates alice's activity in a call with bob and carol. */
function inCall(more: Partial<CallActivityHost> = {}) {
  const clock = manualClock();
  /** Each message with the user it was sent to. */
  const sent: [userId: string, message: unknown][] = [];
  const emitted: unknown[] = [];
  const closed: string[] = [];
  let changes = 0;
  const channels = [BOB, CAROL].map(({ userId }): [PeerId, { -readonly [K in keyof DataChannel]: DataChannel[K] }] => [
    { userId },
    {
      readyState: 'open',
      bufferedAmount: 0,
      send: (text) => void sent.push([userId, JSON.parse(text)]),
      close: () => void closed.push(userId),
    },
  ]);
  const activity = new CallActivity({
    clock,
    callId: () => 'x',
    userId: () => 'alice',
    isPeer: (userId) => userId === 'bob' || userId === 'carol',
    dataChannels: () => channels,
    onChanged: () => (changes += 1),
    onQualityLevel: () => undefined,
    emit: (event, payload) => void emitted.push([event, payload]),
    ...more,
  });
  const receive = (peer: PeerId, message: unknown): void => activity.onData(peer, JSON.stringify(message));
  const hands = (): readonly string[] => activity.snapshot.raisedHands;
  return { activity, clock, channels, sent, emitted, closed, receive, hands, changes: () => changes };
}

const hand = (raised: boolean) => ({ type: 'hand', raised });

describe('raised hands', () => {
  test('are listed in the order in which they were raised, the local one included', () => {
    const { activity, receive, hands, sent } = inCall();
    receive(CAROL, hand(true));
    activity.raiseHand(true);
    receive(BOB, hand(true));
    expect(hands()).toEqual(['carol', 'alice', 'bob']);
    receive(CAROL, hand(false));
    activity.raiseHand(false);
    expect(hands()).toEqual(['bob']);
    expect(sent).toEqual([
      ['bob', hand(true)],
      ['carol', hand(true)],
      ['bob', hand(false)],
      ['carol', hand(false)],
    ]);
  });

  test('that did not change send and change nothing', () => {
    const { activity, receive, hands, sent, changes } = inCall();
    activity.raiseHand(false);
    receive(BOB, hand(true));
    const before = hands();
    receive(BOB, hand(true));
    expect(hands()).toBe(before);
    expect([sent, changes()]).toEqual([[], 1]);
  });

  test('are told to a peer that connects later, or again', () => {
    const { activity, sent } = inCall();
    activity.raiseHand(true);
    sent.length = 0;
    activity.onDataOpen(BOB);
    activity.raiseHand(false);
    sent.length = 1;
    activity.onDataOpen(CAROL);
    expect(sent).toEqual([
      ['bob', hand(true)],
      ['carol', hand(false)],
    ]);
  });

  test('are lowered when their owner leaves, and when the call ends', () => {
    const { activity, receive, hands } = inCall();
    receive(BOB, hand(true));
    receive(CAROL, hand(true));
    activity.peerLeft('bob');
    expect(hands()).toEqual(['carol']);
    activity.end();
    expect(hands()).toEqual([]);
    expect(() => activity.raiseHand(true)).toThrow('The call has ended');
  });
});

describe('reactions and data', () => {
  test('of others are reported with the user who sent them, and own reactions too', () => {
    const { activity, receive, emitted, sent } = inCall();
    receive(BOB, { type: 'reaction', emoji: '🎉', userId: 'carol' });
    receive(CAROL, { type: 'data', data: [1] });
    activity.react('👍');
    activity.send({ slide: 2 });
    expect(emitted).toEqual([
      ['reaction', { userId: 'bob', emoji: '🎉' }],
      ['data', { userId: 'carol', data: [1] }],
      ['reaction', { userId: 'alice', emoji: '👍' }],
    ]);
    expect(sent.filter(([userId]) => userId === 'bob')).toEqual([
      ['bob', { type: 'reaction', emoji: '👍' }],
      ['bob', { type: 'data', data: { slide: 2 } }],
    ]);
  });

  test('that are not valid are a TypeError or too long', () => {
    const { activity, sent } = inCall();
    expect(() => activity.react('')).toThrow(TypeError);
    expect(() => activity.react('x'.repeat(65))).toThrow(TypeError);
    expect(() => activity.send(undefined)).toThrow(TypeError);
    expect(() => activity.send(() => 1)).toThrow(TypeError);
    expect(() => activity.raiseHand('yes' as unknown as boolean)).toThrow(TypeError);
    expect(() => activity.send('x'.repeat(16_000))).toThrow(expect.objectContaining({ code: 'MESSAGE_TOO_LONG' }));
    activity.send('x'.repeat(15_998));
    expect(sent).toHaveLength(2);
  });

  test('reject as UNSUPPORTED with a media backend that carries no data', () => {
    const { activity, hands } = inCall({ dataChannels: () => undefined });
    expect(() => activity.react('👍')).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }));
    expect(() => activity.raiseHand(true)).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }));
    expect(hands()).toEqual([]);
  });
});

describe('limits', () => {
  test('the local user can send 20 messages at once and 5 per second', () => {
    const { activity, clock, sent } = inCall();
    for (let count = 0; count < 20; count += 1) activity.react('👍');
    expect(() => activity.raiseHand(true)).toThrow(
      expect.objectContaining({ code: 'RATE_LIMITED', retryAfterMs: 200 }),
    );
    clock.advance(200);
    activity.raiseHand(true);
    expect(sent).toHaveLength(2 * 21);
  });

  test('a participant who floods is ignored, and the others are not', () => {
    const { receive, clock, emitted, closed, hands } = inCall();
    for (let count = 0; count < 500; count += 1) receive(BOB, { type: 'reaction', emoji: '💥' });
    expect(emitted).toHaveLength(400);
    expect(closed).toEqual([]);
    receive(CAROL, hand(true));
    expect(hands()).toEqual(['carol']);
    clock.advance(1_000);
    for (let count = 0; count < 100; count += 1) receive(BOB, 'malformed');
    for (let count = 0; count < 100; count += 1) receive(BOB, { type: 'reaction', emoji: '💥' });
    expect(emitted).toHaveLength(400);
    expect(new Set(closed)).toEqual(new Set(['bob']));
  });

  test('messages that arrive at once after an interruption are processed, and earlier losses are forgotten', () => {
    const { activity, receive, clock, emitted, closed } = inCall();
    const flood = (): void => {
      for (let count = 0; count < 550; count += 1) receive(BOB, { type: 'reaction', emoji: '💥' });
    };
    flood();
    clock.advance(40_000);
    flood();
    expect([emitted.length, closed]).toEqual([800, []]);
    activity.onDataOpen(BOB);
    for (let count = 0; count < 150; count += 1) receive(BOB, 'malformed');
    expect(closed).toEqual([]);
  });

  test('nothing is sent to a peer whose channel is not open, or who receives too slowly', () => {
    const { activity, channels, sent } = inCall();
    const [[, toBob] = never(), [, toCarol] = never()] = channels;
    toBob.readyState = 'closing';
    toCarol.bufferedAmount = 1_048_576;
    activity.react('👍');
    expect(sent).toEqual([]);
  });

  test('messages of users who are not in the call are dropped', () => {
    const { receive, emitted, hands } = inCall();
    receive({ userId: 'mallory' }, hand(true));
    receive({ userId: 'mallory' }, { type: 'reaction', emoji: '💥' });
    expect([emitted, hands()]).toEqual([[], []]);
  });
});

function never(): never {
  throw new Error('never');
}
