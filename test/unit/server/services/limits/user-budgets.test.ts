import { describe, expect, test } from 'vitest';
import { UserBudgets } from '../../../../../src/server/services/limits/user-budgets.ts';
import { resolveLimits, type ServerLimits } from '../../../../../src/server/services/limits/server-limits.ts';
import {
  addedWork,
  cursorWork,
  lookupWork,
  pageWork,
  payloadBytes,
  pushWork,
} from '../../../../../src/server/services/limits/request-work.ts';
import type { Caller } from '../../../../../src/server/services/ports.ts';
import { manualClock } from '../../../../helpers/manual-clock.ts';

const caller = (userId: string, socketId?: string): Caller => ({ userId, socketId, caps: new Set() });
const limited = (retryAfterMs: number): unknown => expect.objectContaining({ code: 'RATE_LIMITED', retryAfterMs });

function budgetsOf(limits: Partial<ServerLimits> = {}): UserBudgets & { clock: ReturnType<typeof manualClock> } {
  const clock = manualClock();
  return Object.assign(new UserBudgets(resolveLimits(limits), clock), { clock });
}

describe('the budgets of a user', () => {
  test('count requests by work, over all sockets of the user and REST', () => {
    const budgets = budgetsOf({ requests: { burst: 100, perSecond: 10 } });
    budgets.chargeRequest(caller('ada', 'phone'), 60);
    budgets.chargeRequest(caller('ada', 'laptop'), 39);
    budgets.chargeRequest(caller('ada'));
    expect(() => budgets.chargeRequest(caller('ada', 'phone'))).toThrow(limited(100));
    expect(() => budgets.chargeRequest(caller('bob', 'phone'), 100)).not.toThrow();
    budgets.clock.advance(100);
    expect(() => budgets.chargeRequest(caller('ada', 'phone'))).not.toThrow();
  });

  test('a request above the burst takes the whole burst instead of being rejected for ever', () => {
    const budgets = budgetsOf({ requests: { burst: 100, perSecond: 10 } });
    expect(() => budgets.chargeRequest(caller('ada'), 5_000)).not.toThrow();
    expect(() => budgets.chargeRequest(caller('ada'), 5_000)).toThrow(limited(10_000));
  });

  test('count bytes, messages, stored bytes and searches separately', () => {
    const budgets = budgetsOf({
      requestBytes: { burst: 1_000, perSecond: 100 },
      messages: { burst: 2, perSecond: 1 },
      messageBytesPerDay: 86_400,
      searches: { burst: 1, perSecond: 1 },
    });
    const ada = caller('ada');
    budgets.chargeBytes(ada, 1_000);
    expect(() => budgets.chargeBytes(ada, 1)).toThrow(limited(10));
    budgets.chargeSearch(ada);
    expect(() => budgets.chargeSearch(ada)).toThrow(limited(1_000));
    budgets.chargeMessage(ada, 86_400);
    expect(() => budgets.chargeMessage(ada, 10)).toThrow(limited(10_000));
    budgets.clock.advance(10_000);
    budgets.chargeStoredBytes(ada, 10);
    expect(() => budgets.chargeStoredBytes(ada, 1)).toThrow(limited(1_000));
  });

  test('count conversations, calls and calls to the same user', () => {
    const budgets = budgetsOf({
      conversationsCreated: { burst: 1, perSecond: 1 },
      callsPerCaller: { burst: 4, perSecond: 1 },
      callsPerPair: { burst: 2, perSecond: 1 },
    });
    const ada = caller('ada');
    budgets.chargeConversation(ada);
    expect(() => budgets.chargeConversation(ada)).toThrow(limited(1_000));
    budgets.chargeCall(ada, ['bob', 'cleo']);
    budgets.chargeInvitation(ada, 'bob');
    expect(() => budgets.chargeCall(ada, ['bob'])).toThrow(limited(1_000));
    budgets.chargeCall(ada, ['cleo']);
    budgets.chargeCall(ada, ['dan']);
    expect(() => budgets.chargeCall(ada, ['eve'])).toThrow(limited(1_000));
    expect(() => budgets.chargeCall(caller('bob'), ['ada'])).not.toThrow();
  });

  test('do not limit code of the app', () => {
    const one = { burst: 1, perSecond: 1 };
    const budgets = budgetsOf({
      requests: one,
      messages: one,
      searches: one,
      conversationsCreated: one,
      callsPerCaller: one,
    });
    const app: Caller = { userId: 'ada', caps: new Set(), trusted: true };
    for (let time = 0; time < 3; time += 1) {
      budgets.chargeRequest(app);
      budgets.chargeMessage(app, 1e9);
      budgets.chargeSearch(app);
      budgets.chargeConversation(app);
      budgets.chargeCall(app, ['bob']);
      budgets.chargeStoredBytes(app, 1e9);
    }
    expect(() => budgets.chargeBytes(app, 1e9)).not.toThrow();
  });

  test('tolerate refusals as long as the user waits between them', () => {
    const budgets = budgetsOf();
    const ada = caller('ada');
    const tolerated = Array.from({ length: 1_001 }, () => budgets.tolerateRefusal(ada));
    expect(tolerated.indexOf(false)).toBe(1_000);
    budgets.clock.advance(1_000);
    expect(budgets.tolerateRefusal(ada)).toBe(true);
  });
});

test('the work of a request follows what it asks for', () => {
  expect(lookupWork(Array.from({ length: 1_000 }))).toBe(100);
  expect(cursorWork(Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [index, 1])))).toBe(200);
  expect([pageWork(), pageWork(50), pageWork(201)]).toEqual([1, 1, 4.02]);
  expect(addedWork(['a', 'b'])).toBe(2);
  expect(pushWork(1_000)).toBe(50);
});

test.each<[payload: unknown, atLeast: number, atMost: number]>([
  ['x'.repeat(1_000), 1_000, 1_010],
  ['€'.repeat(1_000), 3_000, 3_010],
  [{ ['€'.repeat(1_000)]: 1 }, 3_000, 3_030],
  [{ content: 'x'.repeat(1_000), list: Array.from({ length: 100 }, () => 'abc') }, 1_500, 2_500],
  [[[[[{}]]]], 2, 40],
  [undefined, 0, 8],
  [null, 0, 8],
])('the size of a payload is estimated', (payload, atLeast, atMost) => {
  const bytes = payloadBytes(payload);
  expect(bytes).toBeGreaterThanOrEqual(atLeast);
  expect(bytes).toBeLessThanOrEqual(atMost);
});
