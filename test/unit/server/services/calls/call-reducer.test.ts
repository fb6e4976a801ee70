import { expect, test } from 'vitest';
import type { CallRecord } from '../../../../../src/server/cluster/call-record.ts';
import { deadlinesOf } from '../../../../../src/server/services/calls/call-deadlines.ts';
import { reduceCall, startCall, type CallEvent } from '../../../../../src/server/services/calls/call-reducer.ts';
import { fc } from '../../../../helpers/property.ts';

const USERS = ['alice', 'bob', 'carol', 'dave'];

const user = fc.constantFrom(...USERS);
const event: fc.Arbitrary<CallEvent> = fc.oneof(
  fc.record({ type: fc.constant('accepted' as const), userId: user, socketId: fc.constantFrom('1', '2') }),
  fc.record({ type: fc.constant('replaced' as const), userId: user, socketId: fc.constantFrom('3', '4') }),
  fc.record({ type: fc.constantFrom('declined' as const, 'unanswered' as const), userId: user }),
  fc.record({ type: fc.constantFrom('ringing' as const, 'connected' as const, 'removed' as const), userId: user }),
  fc.record({
    type: fc.constant('left' as const),
    userId: user,
    reason: fc.constantFrom('completed' as const, 'cancelled' as const, 'failed' as const),
  }),
  fc.record({
    type: fc.constant('invited' as const),
    userId: fc.constantFrom('bob', 'carol'),
    reachable: fc.boolean(),
  }),
  fc.constant({ type: 'abandoned' as const }),
  fc.record({ type: fc.constant('disconnected' as const), userId: user, until: fc.nat(100) }),
  fc.record({ type: fc.constant('reconnected' as const), userId: user, socketId: fc.constantFrom('5', undefined) }),
  fc.constant({ type: 'taken-over' as const, heldUntil: 0, until: 100 }),
);

function start(calleeIds: string[]): CallRecord {
  const named = { id: 'x', conversationId: 'c', type: 'audio', callerId: 'alice', socketId: '0' } as const;
  const none = new Set<string>();
  return startCall({ ...named, calleeIds, busy: none, waiting: none, reachable: none, at: 0 })[0];
}

test('any sequence of events keeps the invariants of a call', () => {
  fc.assert(
    fc.property(fc.subarray(['bob', 'carol', 'dave'], { minLength: 1 }), fc.array(event), (calleeIds, events) => {
      let call = start(calleeIds);
      for (const [at, each] of events.entries()) {
        // The services apply these events only to users without a seat.
        const isInvitedAgain = each.type === 'invited' && call.seats.some(({ userId }) => userId === each.userId);
        if (isInvitedAgain) continue;
        const before = call;
        const [next, effects] = reduceCall(call, each, at);
        call = next;
        const isUnchanged = next === before && effects.length === 0;
        expect(before.state !== 'ended' || isUnchanged).toBe(true);
        const seated = call.seats.map(({ userId }) => userId);
        expect(new Set(seated).size).toBe(seated.length);
        expect(effects.filter(({ type }) => type === 'ended')).toHaveLength(
          before.state !== 'ended' && call.state === 'ended' ? 1 : 0,
        );
        if (call.state === 'ended') continue;
        // A call that continues has a participant, and a timer for everything that it waits for.
        expect(seated.length).toBeGreaterThan(0);
        const pending = call.invitations.filter(({ answer }) => answer === 'pending').map(({ userId }) => userId);
        const deadlines = deadlinesOf(call, { ringTimeoutMs: 45_000 }).map((deadline) => deadline.event);
        const unanswered = deadlines.flatMap((due) => (due.type === 'unanswered' ? [due.userId] : []));
        expect(unanswered.toSorted()).toEqual(pending.toSorted());
        const isAlone = seated.length === 1 && pending.length === 0;
        // Before the first answer the caller is alone with the ring timers.
        const ends = deadlines.some(({ type: due }) => due === 'abandoned');
        expect(ends).toBe(isAlone && call.answeredAt !== undefined);
        const away = call.seats.filter((seat) => seat.away !== undefined).map(({ userId }) => userId);
        const leaving = deadlines.flatMap((due) => (due.type === 'left' ? [due.userId] : []));
        expect(leaving.toSorted()).toEqual(away.toSorted());
      }
    }),
    { numRuns: 500 },
  );
});
