import { describe, expect, test } from 'vitest';
import type { OutboxItem } from '../../../../src/client/outbox/outbox-item.ts';
import { MAX_IN_FLIGHT, OutboxQueue, type QueueEffect } from '../../../../src/client/outbox/outbox-queue.ts';
import { outboxItem } from '../../../helpers/client/outbox-item.ts';

/** What is to be done, as `2<1` (send 2, after 1), `3<` (send 3) or `wait lane 1 500`. */
function describeEffects(effects: readonly QueueEffect[]): string {
  const short = (id: string | undefined): string => (id === undefined ? '' : String(Number(id.slice(3))));
  return effects
    .map((effect) =>
      effect.do === 'send'
        ? `${short(effect.item.clientId)}<${short(effect.afterClientId)}`
        : `wait ${effect.lane ?? 'all'} ${effect.failures} ${effect.retryAfterMs ?? '-'}`,
    )
    .join(' ');
}

function outboxWith(window: number, ...items: readonly OutboxItem[]): { outbox: OutboxQueue; sent: string } {
  const outbox = new OutboxQueue();
  for (const each of items) outbox.add(each);
  return { outbox, sent: describeEffects(outbox.online(window)) };
}
const id = (age: number): string => outboxItem(age).clientId;

describe('the queue', () => {
  test('messages are pipelined, and each names its predecessor', () => {
    expect(outboxWith(64, outboxItem(1), outboxItem(2), outboxItem(3)).sent).toBe('1< 2<1 3<2');
  });

  test('at most one window is in flight, and each response makes room for a message', () => {
    const { outbox, sent } = outboxWith(2, outboxItem(1), outboxItem(2), outboxItem(3), outboxItem(4));
    expect(sent).toBe('1< 2<1');
    expect(describeEffects(outbox.remove(id(1)))).toBe('3<2');
    expect(describeEffects(outbox.remove(id(2)))).toBe('4<3');
  });

  test('nothing is sent before the client is connected', () => {
    expect(describeEffects(new OutboxQueue().add(outboxItem(1)))).toBe('');
  });

  test('conversations are sent independently', () => {
    const { outbox } = outboxWith(64, outboxItem(1, 'a'), outboxItem(2, 'b'));
    expect(describeEffects(outbox.postpone(id(1), 500))).toBe('wait a 1 500');
    expect(describeEffects(outbox.add(outboxItem(3, 'a')))).toBe('');
    expect(describeEffects(outbox.add(outboxItem(4, 'b')))).toBe('4<2');
  });

  test('an added item goes to the end of its lane, regardless of its client id', () => {
    const { outbox } = outboxWith(64, outboxItem(9));
    expect(describeEffects(outbox.add(outboxItem(3)))).toBe('3<9');
  });

  test('a message that is added twice is queued once', () => {
    const { outbox } = outboxWith(64, outboxItem(1));
    expect(describeEffects(outbox.add(outboxItem(1)))).toBe('');
    expect(describeEffects(outbox.restore([outboxItem(1)]))).toBe('');
    expect(outbox.items()).toHaveLength(1);
  });

  test('restored items are sent in the order of their calls, also with client ids of the app', () => {
    const { outbox } = outboxWith(1);
    outbox.online(0);
    outbox.restore([
      { ...outboxItem(1), clientId: 'z', order: '1' },
      { ...outboxItem(2), clientId: 'a', order: '2' },
    ]);
    expect(outbox.items().map(({ clientId }) => clientId)).toEqual(['z', 'a']);
    expect(outbox.online(2).map((effect) => effect.do === 'send' && effect.item.clientId)).toEqual(['z', 'a']);
  });

  test('items of earlier sessions are sent first, oldest first', () => {
    const outbox = new OutboxQueue();
    outbox.add(outboxItem(9));
    outbox.restore([outboxItem(2), outboxItem(1), outboxItem(3, 'other')]);
    expect(describeEffects(outbox.online(64))).toBe('1< 2<1 9<2 3<');
  });

  test('a request other than a message is sent alone, and the items behind it wait', () => {
    const { outbox, sent } = outboxWith(64, outboxItem(1), outboxItem(2, 'lane', 'message:edit'), outboxItem(3));
    expect(sent).toBe('1<');
    expect(describeEffects(outbox.remove(id(1)))).toBe('2<');
    expect(describeEffects(outbox.remove(id(2)))).toBe('3<');
  });

  test('a temporary error pauses the whole lane, longer each time', () => {
    const { outbox } = outboxWith(64, outboxItem(1), outboxItem(2));
    expect(describeEffects(outbox.postpone(id(1)))).toBe('wait lane 1 -');
    expect(describeEffects(outbox.postpone(id(2)))).toBe('');
    expect(describeEffects(outbox.waitEnded('lane'))).toBe('1< 2<1');
    expect(describeEffects(outbox.postpone(id(1)))).toBe('wait lane 2 -');
  });

  test('an acknowledged item resets the backoff of its lane', () => {
    const { outbox } = outboxWith(64, outboxItem(1), outboxItem(2));
    outbox.postpone(id(1));
    outbox.waitEnded('lane');
    outbox.remove(id(1));
    expect(describeEffects(outbox.postpone(id(2)))).toBe('wait lane 1 -');
  });

  test('a message that overtook its predecessor is sent again once that one has a result', () => {
    const { outbox } = outboxWith(64, outboxItem(1), outboxItem(2), outboxItem(3));
    expect(describeEffects(outbox.overtook(id(2)))).toBe('');
    expect(describeEffects(outbox.overtook(id(3)))).toBe('');
    expect(describeEffects(outbox.remove(id(1)))).toBe('2< 3<2');
    expect(describeEffects(outbox.overtook(id(2)))).toBe('2<');
  });

  test('a message that overtook its predecessor is not sent while the lane backs off', () => {
    const { outbox } = outboxWith(64, outboxItem(1), outboxItem(2));
    outbox.postpone(id(1));
    expect(describeEffects(outbox.overtook(id(2)))).toBe('');
    expect(describeEffects(outbox.waitEnded('lane'))).toBe('1< 2<1');
  });

  test('a parked message lets the others pass, and is retried in its place', () => {
    const { outbox } = outboxWith(64, outboxItem(1), outboxItem(2));
    expect(describeEffects(outbox.park(id(1)))).toBe('');
    expect(describeEffects(outbox.overtook(id(2)))).toBe('2<');
    expect(outbox.find(id(1))?.parked).toBe(true);
    expect(describeEffects(outbox.retry(id(1)))).toBe('1<');
  });

  test('after a lost connection all items are sent again, in order', () => {
    const { outbox } = outboxWith(64, outboxItem(1), outboxItem(2));
    outbox.offline();
    expect(describeEffects(outbox.add(outboxItem(3)))).toBe('');
    expect(describeEffects(outbox.online(64))).toBe('1< 2<1 3<2');
  });

  test('a response of an earlier connection does not pause the lane', () => {
    const { outbox } = outboxWith(64, outboxItem(1));
    outbox.offline();
    expect(describeEffects(outbox.postpone(id(1)))).toBe('');
    expect(describeEffects(outbox.online(64))).toBe('1<');
  });

  test('calls for an unknown message have no effect', () => {
    const { outbox } = outboxWith(64, outboxItem(1));
    const nothing = [
      outbox.remove('x'),
      outbox.park('x'),
      outbox.retry('x'),
      outbox.postpone('x'),
      outbox.overtook('x'),
      outbox.waitEnded('x'),
    ];
    expect(nothing).toEqual([[], [], [], [], [], []]);
  });
});

describe('RATE_LIMITED', () => {
  /** Five messages of each of two conversations, the first of which was refused. */
  function throttled(): OutboxQueue {
    const { outbox } = outboxWith(64, ...[1, 2, 3, 4, 5].map((age) => outboxItem(age, 'a')));
    for (const age of [11, 12, 13, 14, 15]) outbox.add(outboxItem(age, 'b'));
    expect(describeEffects(outbox.throttle(id(1), 500))).toBe('wait all 1 500');
    for (const age of [11, 12, 13, 14, 15, 2, 3, 4, 5]) expect(outbox.throttle(id(age), 1)).toEqual([]);
    return outbox;
  }

  test('pauses all conversations once, then sends one message and more with every response', () => {
    const outbox = throttled();
    expect(describeEffects(outbox.add(outboxItem(21, 'c')))).toBe('');
    expect(describeEffects(outbox.waitEnded(undefined))).toBe('21<');
    expect(describeEffects(outbox.remove(id(21)))).toBe('1< 2<1');
    expect(describeEffects(outbox.remove(id(1)))).toBe('11< 12<11');
    expect(describeEffects(outbox.remove(id(2)))).toBe('3< 4<3');
  });

  test('pauses longer if the first message is rejected again, and not if it was stored', () => {
    const outbox = throttled();
    outbox.waitEnded(undefined);
    expect(describeEffects(outbox.throttle(id(1), 3))).toBe('wait all 2 3');
    outbox.waitEnded(undefined);
    outbox.remove(id(11));
    expect(describeEffects(outbox.throttle(id(2), 3))).toBe('wait all 1 3');
  });

  test('pauses after a reconnect as well', () => {
    const outbox = throttled();
    outbox.offline();
    expect(describeEffects(outbox.online(64))).toBe('');
    expect(describeEffects(outbox.waitEnded(undefined))).toBe('1<');
  });

  test('grows the window slowly above half of the last size', () => {
    const { outbox } = outboxWith(64, ...[1, 2, 3, 4].map((age) => outboxItem(age)));
    outbox.throttle(id(1));
    for (const age of [2, 3, 4]) outbox.overtook(id(age));
    for (let age = 5; age < 40; age += 1) outbox.add(outboxItem(age));
    // Four at once were too much: up to two with every answer, from there on with every round of them.
    let inFlight = outbox.waitEnded(undefined).length;
    const seen = [inFlight];
    for (let age = 1; age <= 12; age += 1) seen.push((inFlight += outbox.remove(id(age)).length - 1));
    expect(Math.max(...seen)).toBe(5);
  });
});

describe('the slow mode of a conversation', () => {
  /** Three messages of a slow conversation, of which the first is stored and the others were refused. */
  function slow(): OutboxQueue {
    const { outbox } = outboxWith(64, ...[1, 2, 3].map((age) => outboxItem(age, 'slow')));
    outbox.remove(id(1));
    expect(describeEffects(outbox.slowDown(id(2), 30_000))).toBe('wait slow 1 30000');
    expect(describeEffects(outbox.overtook(id(3)))).toBe('');
    return outbox;
  }

  test('holds up no other conversation', () => {
    expect(describeEffects(slow().add(outboxItem(11, 'quick')))).toBe('11<');
  });

  test('sends one message after each wait, in order', () => {
    const outbox = slow();
    expect(describeEffects(outbox.waitEnded('slow'))).toBe('2<');
    expect(describeEffects(outbox.remove(id(2)))).toBe('3<');
    expect(describeEffects(outbox.slowDown(id(3), 30_000))).toBe('wait slow 1 30000');
    expect(describeEffects(outbox.waitEnded('slow'))).toBe('3<');
  });

  test('lets changes of stored messages pass, one at a time', () => {
    const outbox = slow();
    expect(describeEffects(outbox.add(outboxItem(4, 'slow', 'message:edit')))).toBe('4<');
    expect(describeEffects(outbox.add(outboxItem(5, 'slow', 'message:edit')))).toBe('');
    expect(describeEffects(outbox.remove(id(4)))).toBe('5<');
  });

  test('keeps a change of a message that waits behind it', () => {
    const outbox = slow();
    const edit = outboxItem(4, 'slow', 'message:edit');
    const operation = {
      name: 'message:edit',
      payload: { conversationId: 'slow', content: 'x', messageId: id(3) },
    } as const;
    expect(describeEffects(outbox.add({ ...edit, operation }))).toBe('');
    outbox.waitEnded('slow');
    outbox.remove(id(2));
    expect(describeEffects(outbox.remove(id(3)))).toBe('4<');
  });

  test('sends nothing while disconnected, and waits on after a reconnect', () => {
    const outbox = slow();
    outbox.offline();
    expect(describeEffects(outbox.add(outboxItem(4, 'slow', 'message:edit')))).toBe('');
    expect(describeEffects(outbox.online(64))).toBe('4<');
    expect(describeEffects(outbox.remove(id(4)))).toBe('');
  });
});

test('with many conversations the requests in flight are limited, and none of them starves', () => {
  const outbox = new OutboxQueue();
  const lanes = Array.from({ length: 20 }, (_, lane) => `lane ${lane}`);
  for (let age = 0; age < 2_000; age += 1) outbox.add(outboxItem(age, lanes[age % lanes.length]));
  const inFlight = outbox.online(256);
  expect(inFlight).toHaveLength(MAX_IN_FLIGHT);
  for (const effect of inFlight) {
    if (effect.do === 'send') inFlight.push(...outbox.remove(effect.item.clientId));
  }
  expect(outbox.items()).toEqual([]);
});
