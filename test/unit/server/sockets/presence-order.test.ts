import { expect, test } from 'vitest';
import type { PresenceUpdate } from '../../../../src/protocol/presence.ts';
import { PresenceOrder } from '../../../../src/server/sockets/presence-order.ts';

const online: PresenceUpdate = { userId: 'ana', status: 'online' };
const away: PresenceUpdate = { userId: 'ana', status: 'away' };

test('a change is delivered unless a newer one of the user was', () => {
  const order = new PresenceOrder();
  expect([order.accept(online, 2), order.accept(away, 1), order.accept({ ...away, userId: 'ben' }, 1)]).toEqual([
    true,
    false,
    true,
  ]);
});

test('the same change arrives on several channels', () => {
  const order = new PresenceOrder();
  expect([order.accept(online, 1), order.accept(online, 1)]).toEqual([true, true]);
});

test('what was read is replaced by a newer change that was delivered meanwhile', () => {
  const order = new PresenceOrder();
  order.accept(online, 2);
  expect([order.newest(away, 1), order.newest(away, 2), order.newest(away, 3)]).toEqual([online, away, away]);
});

test('changes of one process have no order of their own', () => {
  const order = new PresenceOrder();
  order.accept(online, 2);
  expect(order.accept(away, undefined)).toBe(true);
  expect(order.newest(away, undefined)).toBe(away);
});

test('after the clock of Redis was set back, changes are delivered', () => {
  const order = new PresenceOrder();
  order.accept(online, 100_000_000);
  expect(order.accept(away, 1)).toBe(true);
});
