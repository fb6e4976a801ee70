import { describe, expect, test } from 'vitest';
import { Gate, type GateOptions } from '../../../src/lib/gate.ts';

function rig(options?: GateOptions): { gate: Gate<number>; delivered: number[] } {
  const delivered: number[] = [];
  return { gate: new Gate<number>((item) => delivered.push(item), options), delivered };
}

test('a closed gate buffers, and delivers in order when it opens', () => {
  const { gate, delivered } = rig();
  for (const item of [1, 2, 3]) gate.push(item);
  expect(delivered).toEqual([]);
  gate.open();
  gate.push(4);
  expect(delivered).toEqual([1, 2, 3, 4]);
});

test('an open gate that is closed buffers again', () => {
  const { gate, delivered } = rig({ open: true });
  gate.push(1);
  gate.close();
  gate.push(2);
  expect([gate.isOpen, delivered, gate.buffered]).toEqual([false, [1], [2]]);
});

test('reset drops the buffered items and leaves the gate as it is', () => {
  const { gate, delivered } = rig();
  gate.push(1);
  gate.reset();
  gate.push(2);
  expect(delivered).toEqual([]);
  gate.open();
  expect(delivered).toEqual([2]);
});

test('beyond its limit a closed gate drops the newest items', () => {
  const { gate, delivered } = rig({ limit: 2 });
  for (const item of [1, 2, 3]) gate.push(item);
  gate.open();
  expect(delivered).toEqual([1, 2]);
});

describe('while the buffer drains', () => {
  function draining(onItem: (gate: Gate<number>, item: number) => void): number[] {
    const delivered: number[] = [];
    const gate: Gate<number> = new Gate<number>((item) => {
      delivered.push(item);
      onItem(gate, item);
    });
    gate.push(1);
    gate.push(2);
    gate.open();
    return delivered;
  }

  test('a pushed item is delivered after the buffered ones', () => {
    expect(draining((gate, item) => item < 3 && gate.push(item + 10))).toEqual([1, 2, 11, 12]);
  });

  test('a gate that is closed keeps the remaining items', () => {
    expect(draining((gate, item) => item === 1 && gate.close())).toEqual([1]);
  });

  test('a gate that is reset drops the remaining items', () => {
    expect(draining((gate, item) => item === 1 && gate.reset())).toEqual([1]);
  });
});

test('release delivers the items of this moment and stays closed', () => {
  const delivered: number[] = [];
  const gate: Gate<number> = new Gate<number>((item) => {
    delivered.push(item);
    // Not ready for it yet.
    if (item === 1) gate.push(item);
  });
  gate.push(1);
  gate.push(2);
  gate.release();
  expect([delivered, gate.buffered, gate.isOpen]).toEqual([[1, 2], [1], false]);
});

test('a receiver that throws loses only the item it threw on', () => {
  const delivered: number[] = [];
  const gate = new Gate<number>((item) => {
    if (item === 1) throw new Error('no');
    delivered.push(item);
  });
  gate.push(1);
  gate.push(2);
  expect(() => gate.open()).toThrow('no');
  gate.open();
  expect(delivered).toEqual([2]);
});
