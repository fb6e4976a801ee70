import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { iceSource } from '../../../../src/client/calls/ice-source.ts';
import { Peers } from '../../../../src/client/calls/peers.ts';
import { QualityBoard } from '../../../../src/client/calls/quality-board.ts';
import { readCall, readParticipant, readSignal, readStateChange } from '../../../../src/client/calls/read-calls.ts';
import { replaced, toggled, withoutParticipant, withParticipant } from '../../../../src/client/calls/roster.ts';
import { Toggles, type Sending } from '../../../../src/client/calls/toggles.ts';
import { deferred } from '../../../../src/lib/deferred.ts';
import type { CallParticipant } from '../../../../src/protocol/calls.ts';
import { manualClock } from '../../../helpers/manual-clock.ts';

const joined = (userId: string, more: Partial<CallParticipant> = {}): CallParticipant => ({
  userId,
  joinedAt: '2026-01-01T00:00:00.000Z',
  audioMuted: false,
  videoMuted: false,
  screenSharing: false,
  ...more,
});

describe('the roster', () => {
  const roster = [joined('alice'), joined('bob'), joined('carol')];

  test('is the very same list when nothing changed', () => {
    expect(withParticipant(roster, joined('bob'))).toBe(roster);
    expect(withoutParticipant(roster, 'dave')).toBe(roster);
    expect(toggled(roster, 'bob', { audio: true })).toBe(roster);
    expect(toggled(roster, 'dave', { audio: false })).toBe(roster);
    expect(
      replaced(
        roster,
        roster.map((each) => ({ ...each })),
      ),
    ).toBe(roster);
  });

  test('keeps the order of joining: a change stays in its place, whoever comes again is the last', () => {
    const muted = toggled(roster, 'bob', { audio: false, video: false, screenShare: true });
    expect(muted[1]).toEqual(joined('bob', { audioMuted: true, videoMuted: true, screenSharing: true }));
    expect(muted[0]).toBe(roster[0]);
    const again = withParticipant(roster, joined('alice', { joinedAt: '2026-01-01T00:01:00.000Z' }));
    expect(again.map(({ userId }) => userId)).toEqual(['bob', 'carol', 'alice']);
  });
});

describe('who offers', () => {
  function follow(...rosters: CallParticipant[][]): string[] {
    const told: string[] = [];
    const peers = new Peers({
      peerJoined: ({ userId, deviceId }, offerer) => told.push(`${userId}/${deviceId ?? ''} ${offerer}`),
      peerLeft: (userId) => told.push(`${userId} left`),
    });
    const [first = [], ...rest] = rosters;
    told.push(
      `roster ${peers
        .roster(first, 'me')
        .map(({ userId }) => userId)
        .join()}`,
    );
    for (const each of [first, ...rest]) peers.follow(each, 'me');
    return told;
  }

  test('those who were in before us offer to us, we to those who come after', () => {
    const before = [joined('alice'), joined('me'), joined('bob')];
    expect(follow(before)).toEqual(['roster alice', 'bob/ self']);
  });

  test('where a server leaves us out, everybody who is in was in before us', () => {
    expect(follow([joined('alice')], [joined('alice'), joined('me'), joined('bob')])).toEqual([
      'roster alice',
      'bob/ self',
    ]);
  });

  test('another device, or the same one that left and came back, is somebody new', () => {
    const me = joined('me');
    expect(
      follow(
        [me, joined('bob', { deviceId: 'a' })],
        [me, joined('bob', { deviceId: 'b' })],
        [me, joined('bob', { deviceId: 'b', joinedAt: 'later' })],
        [me],
      ),
    ).toEqual(['roster ', 'bob/a self', 'bob left', 'bob/b self', 'bob left', 'bob/b self', 'bob left']);
  });
});

describe('toggles', () => {
  const on: Sending = { audio: true, video: true, screenShare: false };

  test('are told one after another, and of many in between the last', async () => {
    let now = on;
    const told: Partial<Sending>[] = [];
    const first = deferred<boolean>();
    const toggles = new Toggles(
      on,
      () => now,
      (changed) => {
        told.push(changed);
        return told.length === 1 ? first.promise : Promise.resolve(true);
      },
    );
    const done: Promise<void>[] = [];
    for (let count = 0; count < 21; count += 1) {
      now = { audio: true, video: count % 2 === 1, screenShare: false };
      done.push(toggles.check());
    }
    now = { audio: false, video: false, screenShare: false };
    first.resolve(true);
    await Promise.all(done);
    expect(told).toEqual([{ video: false }, { audio: false }]);
  });

  test('that were not told are told again, measured by what the others believe', async () => {
    const told: Partial<Sending>[] = [];
    let isUp = false;
    const toggles = new Toggles(
      on,
      () => ({ ...on, audio: false }),
      (changed) => {
        told.push(changed);
        return Promise.resolve(isUp);
      },
    );
    await toggles.check();
    isUp = true;
    await toggles.check({ ...on, screenShare: true });
    await toggles.check();
    expect(told).toEqual([{ audio: false }, { audio: false, screenShare: false }]);
  });
});

describe('quality', () => {
  const report = (userId: string, quality: 'excellent' | 'good' | 'poor') => ({ callId: 'c', userId, quality });

  test('is as good as the worst connection, and told when its level changes', () => {
    const board = new QualityBoard();
    expect(board.measured(report('bob', 'good'), 'me')).toEqual(report('me', 'good'));
    expect(board.measured(report('bob', 'good'), 'me')).toBeUndefined();
    expect(board.measured(report('carol', 'poor'), 'me')).toEqual(report('me', 'poor'));
    expect(board.measured(report('bob', 'excellent'), 'me')).toBeUndefined();
    board.left('carol');
    expect(board.measured(report('bob', 'excellent'), 'me')).toEqual(report('me', 'excellent'));
    expect([...board.reports.keys()]).toEqual(['bob']);
  });
});

describe('ICE servers', () => {
  const servers = [{ urls: 'stun:stun.example.com' }];

  test('may be a list, or nothing', async () => {
    expect(await iceSource(servers, manualClock())()).toEqual({ iceServers: servers });
    expect(await iceSource(undefined, manualClock())()).toEqual({ iceServers: [] });
  });

  test('with an expiry are asked for again when it is near, once for all that ask at the same time', async () => {
    const clock = manualClock();
    let asked = 0;
    const source = iceSource(() => {
      asked += 1;
      return Promise.resolve({ iceServers: servers, expiresAt: clock.now() + 60_000 });
    }, clock);
    await Promise.all([source(), source()]);
    await source();
    expect(asked).toBe(1);
    clock.advance(51_000);
    await source();
    expect(asked).toBe(2);
  });

  test('that could not be had are asked for again', async () => {
    let asked = 0;
    const source = iceSource(() => {
      asked += 1;
      return asked === 1 ? Promise.reject(new Error('offline')) : { iceServers: servers };
    }, manualClock());
    await expect(source()).rejects.toThrow('offline');
    expect(await source()).toEqual({ iceServers: servers });
  });
});

describe('what a server says', () => {
  test('about a call is read, and the rest left out', () => {
    const call = readCall({
      id: 'x',
      conversationId: 'c',
      callerId: 'alice',
      type: 'video',
      state: 'ringing',
      calleeIds: ['bob', 7, null],
      participants: [joined('alice'), { nobody: true }],
      endReason: 'boredom',
    });
    expect(call).toEqual({
      id: 'x',
      conversationId: 'c',
      callerId: 'alice',
      type: 'video',
      state: 'ringing',
      calleeIds: ['bob', '7'],
      participants: [joined('alice')],
    });
  });

  test('is never an exception, whatever it is', () => {
    const row = fc.dictionary(
      fc.constantFrom('id', 'callId', 'state', 'participants', 'sdp', 'candidate', 'fromUserId', 'generation', 'type'),
      fc.anything(),
    );
    fc.assert(
      fc.property(row, fc.anything(), (fields, anything) => {
        for (const value of [fields, anything]) {
          readCall(value);
          readParticipant(value);
        }
        readStateChange(fields);
        for (const event of ['offer', 'answer', 'ice-candidate', 'ice-restart', 'other']) {
          const signal = readSignal(`signal:${event}`, fields);
          expect(signal?.kind === 'offer' ? typeof signal.sdp : 'string').toBe('string');
        }
      }),
    );
  });
});
