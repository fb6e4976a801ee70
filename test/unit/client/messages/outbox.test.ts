import { describe, expect, test } from 'vitest';
import { MAX_IN_FLIGHT, Outbox, type OutboxEffect, type OutboxItem } from '../../../../src/client/messages/outbox.ts';
import { outboxItem } from '../../../helpers/client/outbox.ts';

/** What is to be done, as `2<1` (send 2, after 1), `3<` (send 3) or `wait lane 1 500`. */
function describeEffects(effects: readonly OutboxEffect[]): string {
  const short = (id: string | undefined): string => (id === undefined ? '' : String(Number(id.slice(3))));
  return effects
    .map((effect) =>
      effect.do === 'send'
        ? `${short(effect.item.clientId)}<${short(effect.afterClientId)}`
        : `wait ${effect.lane ?? 'all'} ${effect.failures} ${effect.retryAfterMs ?? '-'}`,
    )
    .join(' ');
}

function outboxWith(window: number, ...items: readonly OutboxItem[]): { outbox: Outbox; sent: string } {
  const outbox = new Outbox();
  for (const each of items) outbox.add(each);
  return { outbox, sent: describeEffects(outbox.online(window)) };
}
const id = (age: number): string => outboxItem(age).clientId;

describe('the queue', () => {
  test('messages are pipelined, and each names the one before it', () => {
    expect(outboxWith(64, outboxItem(1), outboxItem(2), outboxItem(3)).sent).toBe('1< 2<1 3<2');
  });

  test('no more than the window is in flight, and each answer makes room for one', () => {
    const { outbox, sent } = outboxWith(2, outboxItem(1), outboxItem(2), outboxItem(3), outboxItem(4));
    expect(sent).toBe('1< 2<1');
    expect(describeEffects(outbox.gone(id(1)))).toBe('3<2');
    expect(describeEffects(outbox.gone(id(2)))).toBe('4<3');
  });

  test('nothing is sent before the line stands', () => {
    expect(describeEffects(new Outbox().add(outboxItem(1)))).toBe('');
  });

  test('conversations do not wait for each other', () => {
    const { outbox } = outboxWith(64, outboxItem(1, 'a'), outboxItem(2, 'b'));
    expect(describeEffects(outbox.postpone(id(1), 500))).toBe('wait a 1 500');
    expect(describeEffects(outbox.add(outboxItem(3, 'a')))).toBe('');
    expect(describeEffects(outbox.add(outboxItem(4, 'b')))).toBe('4<2');
  });

  test('what is added goes behind, whatever its client id', () => {
    const { outbox } = outboxWith(64, outboxItem(9));
    expect(describeEffects(outbox.add(outboxItem(3)))).toBe('3<9');
  });

  test('the same message twice is queued once', () => {
    const { outbox } = outboxWith(64, outboxItem(1));
    expect(describeEffects(outbox.add(outboxItem(1)))).toBe('');
    expect(describeEffects(outbox.restore([outboxItem(1)]))).toBe('');
    expect(outbox.items()).toHaveLength(1);
  });

  test('what is restored goes out in the order it was asked for, also under ids of the app’s own', () => {
    const { outbox } = outboxWith(1);
    outbox.online(0);
    outbox.restore([
      { ...outboxItem(1), clientId: 'z', order: '1' },
      { ...outboxItem(2), clientId: 'a', order: '2' },
    ]);
    expect(outbox.items().map(({ clientId }) => clientId)).toEqual(['z', 'a']);
    expect(outbox.online(2).map((effect) => effect.do === 'send' && effect.item.clientId)).toEqual(['z', 'a']);
  });

  test('what an earlier session left goes first, by age', () => {
    const outbox = new Outbox();
    outbox.add(outboxItem(9));
    outbox.restore([outboxItem(2), outboxItem(1), outboxItem(3, 'other')]);
    expect(describeEffects(outbox.online(64))).toBe('1< 2<1 9<2 3<');
  });

  test('a request that is no message goes alone, and what comes behind it waits', () => {
    const { outbox, sent } = outboxWith(64, outboxItem(1), outboxItem(2, 'lane', 'message:edit'), outboxItem(3));
    expect(sent).toBe('1<');
    expect(describeEffects(outbox.gone(id(1)))).toBe('2<');
    expect(describeEffects(outbox.gone(id(2)))).toBe('3<');
  });

  test('"not now" holds the whole lane until the wait is over, longer each time', () => {
    const { outbox } = outboxWith(64, outboxItem(1), outboxItem(2));
    expect(describeEffects(outbox.postpone(id(1)))).toBe('wait lane 1 -');
    expect(describeEffects(outbox.postpone(id(2)))).toBe('');
    expect(describeEffects(outbox.waited('lane'))).toBe('1< 2<1');
    expect(describeEffects(outbox.postpone(id(1)))).toBe('wait lane 2 -');
  });

  test('an answer that says "stored" starts the count of failures anew', () => {
    const { outbox } = outboxWith(64, outboxItem(1), outboxItem(2));
    outbox.postpone(id(1));
    outbox.waited('lane');
    outbox.gone(id(1));
    expect(describeEffects(outbox.postpone(id(2)))).toBe('wait lane 1 -');
  });

  test('a message that came too early goes again when the fate of the one before it is known', () => {
    const { outbox } = outboxWith(64, outboxItem(1), outboxItem(2), outboxItem(3));
    expect(describeEffects(outbox.overtook(id(2)))).toBe('');
    expect(describeEffects(outbox.overtook(id(3)))).toBe('');
    expect(describeEffects(outbox.gone(id(1)))).toBe('2< 3<2');
    expect(describeEffects(outbox.overtook(id(2)))).toBe('2<');
  });

  test('a message that came too early does not go while the lane waits', () => {
    const { outbox } = outboxWith(64, outboxItem(1), outboxItem(2));
    outbox.postpone(id(1));
    expect(describeEffects(outbox.overtook(id(2)))).toBe('');
    expect(describeEffects(outbox.waited('lane'))).toBe('1< 2<1');
  });

  test('a refused message lets the others pass, and goes again where it stood', () => {
    const { outbox } = outboxWith(64, outboxItem(1), outboxItem(2));
    expect(describeEffects(outbox.park(id(1)))).toBe('');
    expect(describeEffects(outbox.overtook(id(2)))).toBe('2<');
    expect(outbox.find(id(1))?.parked).toBe(true);
    expect(describeEffects(outbox.retry(id(1)))).toBe('1<');
  });

  test('after the line is lost everything goes again, in order', () => {
    const { outbox } = outboxWith(64, outboxItem(1), outboxItem(2));
    outbox.offline();
    expect(describeEffects(outbox.add(outboxItem(3)))).toBe('');
    expect(describeEffects(outbox.online(64))).toBe('1< 2<1 3<2');
  });

  test('an answer of an earlier line postpones nothing', () => {
    const { outbox } = outboxWith(64, outboxItem(1));
    outbox.offline();
    expect(describeEffects(outbox.postpone(id(1)))).toBe('');
    expect(describeEffects(outbox.online(64))).toBe('1<');
  });

  test('what is asked of an unknown message does nothing', () => {
    const { outbox } = outboxWith(64, outboxItem(1));
    const nothing = [
      outbox.gone('x'),
      outbox.park('x'),
      outbox.retry('x'),
      outbox.postpone('x'),
      outbox.overtook('x'),
      outbox.waited('x'),
    ];
    expect(nothing).toEqual([[], [], [], [], [], []]);
  });
});

describe('a client that is too fast', () => {
  /** Five messages of each of two conversations, the first of which was refused. */
  function throttled(): Outbox {
    const { outbox } = outboxWith(64, ...[1, 2, 3, 4, 5].map((age) => outboxItem(age, 'a')));
    for (const age of [11, 12, 13, 14, 15]) outbox.add(outboxItem(age, 'b'));
    expect(describeEffects(outbox.throttle(id(1), 500))).toBe('wait all 1 500');
    for (const age of [11, 12, 13, 14, 15, 2, 3, 4, 5]) expect(outbox.throttle(id(age), 1)).toEqual([]);
    return outbox;
  }

  test('waits once for all conversations, and then sends one message, and more with every answer', () => {
    const outbox = throttled();
    expect(describeEffects(outbox.add(outboxItem(21, 'c')))).toBe('');
    expect(describeEffects(outbox.waited(undefined))).toBe('21<');
    expect(describeEffects(outbox.gone(id(21)))).toBe('1< 2<1');
    expect(describeEffects(outbox.gone(id(1)))).toBe('11< 12<11');
    expect(describeEffects(outbox.gone(id(2)))).toBe('3< 4<3');
  });

  test('waits longer when the first one is refused again, and not when it was stored', () => {
    const outbox = throttled();
    outbox.waited(undefined);
    expect(describeEffects(outbox.throttle(id(1), 3))).toBe('wait all 2 3');
    outbox.waited(undefined);
    outbox.gone(id(11));
    expect(describeEffects(outbox.throttle(id(2), 3))).toBe('wait all 1 3');
  });

  test('is told so after a reconnect as well', () => {
    const outbox = throttled();
    outbox.offline();
    expect(describeEffects(outbox.online(64))).toBe('');
    expect(describeEffects(outbox.waited(undefined))).toBe('1<');
  });

  test('makes room slowly where it was too much the last time', () => {
    const { outbox } = outboxWith(64, ...[1, 2, 3, 4].map((age) => outboxItem(age)));
    outbox.throttle(id(1));
    for (const age of [2, 3, 4]) outbox.overtook(id(age));
    for (let age = 5; age < 40; age += 1) outbox.add(outboxItem(age));
    // Four at once were too much: up to two with every answer, from there on with every round of them.
    let inFlight = outbox.waited(undefined).length;
    const seen = [inFlight];
    for (let age = 1; age <= 12; age += 1) seen.push((inFlight += outbox.gone(id(age)).length - 1));
    expect(Math.max(...seen)).toBe(5);
  });
});

test('however many conversations there are, only so much is in flight, and none waits for ever', () => {
  const outbox = new Outbox();
  const lanes = Array.from({ length: 20 }, (_, lane) => `lane ${lane}`);
  for (let age = 0; age < 2_000; age += 1) outbox.add(outboxItem(age, lanes[age % lanes.length]));
  const inFlight = outbox.online(256);
  expect(inFlight).toHaveLength(MAX_IN_FLIGHT);
  for (const effect of inFlight) {
    if (effect.do === 'send') inFlight.push(...outbox.gone(effect.item.clientId));
  }
  expect(outbox.items()).toEqual([]);
});
