import { expect, test } from 'vitest';
import { ObservableValue } from '../../../src/lib/observable.ts';

const ignore = (): void => undefined;

test('subscribers are called after the change and can read the new value', () => {
  const value = new ObservableValue(1, ignore);
  const seen: number[] = [];
  value.subscribe(() => seen.push(value.getSnapshot()));
  value.set(2);
  value.set(3);
  expect(seen).toEqual([2, 3]);
});

test.each([
  ['a number', 1],
  ['the same object', { a: 1 }],
  ['NaN', Number.NaN],
  ['undefined', undefined],
])('setting %s again notifies no listener', (_title, same) => {
  const value = new ObservableValue<unknown>(same, ignore);
  let told = 0;
  value.subscribe(() => (told += 1));
  value.set(same);
  expect(told).toBe(0);
});

test('getServerSnapshot() returns the initial value after any change', () => {
  const value = new ObservableValue('first', ignore);
  value.set('second');
  expect(value.getServerSnapshot()).toBe('first');
  expect(value.getSnapshot()).toBe('second');
});

test('the methods work without `this`, as hooks call them', () => {
  const { getSnapshot, getServerSnapshot, subscribe } = new ObservableValue('a', ignore);
  const stop = subscribe(ignore);
  stop();
  expect([getSnapshot(), getServerSnapshot()]).toEqual(['a', 'a']);
});

test('a listener can subscribe twice, and ending one subscription twice keeps the other', () => {
  const value = new ObservableValue(0, ignore);
  let told = 0;
  const listener = (): void => void (told += 1);
  const stop = value.subscribe(listener);
  value.subscribe(listener);
  value.set(1);
  expect(told).toBe(2);
  stop();
  stop();
  value.set(2);
  expect(told).toBe(3);
});

test('watched is true while there is a listener', () => {
  const value = new ObservableValue(0, ignore);
  expect(value.watched).toBe(false);
  const stop = value.subscribe(ignore);
  expect(value.watched).toBe(true);
  stop();
  expect(value.watched).toBe(false);
});

test('an error of a listener does not stop the others', () => {
  const thrown: unknown[] = [];
  const value = new ObservableValue(0, (error) => thrown.push(error));
  const error = new Error('from a listener');
  let told = 0;
  value.subscribe(() => {
    throw error;
  });
  value.subscribe(() => (told += 1));
  value.set(1);
  expect(told).toBe(1);
  expect(thrown).toEqual([error]);
});

test('a listener that subscribes again in its callback is called once per change', () => {
  const value = new ObservableValue(0, ignore);
  let told = 0;
  let stop = ignore;
  const listener = (): void => {
    told += 1;
    if (told > 10) throw new Error('told without end');
    stop();
    stop = value.subscribe(listener);
  };
  stop = value.subscribe(listener);
  value.set(1);
  expect(told).toBe(1);
  value.set(2);
  expect(told).toBe(2);
});

test('a listener that another one removes during a change is not called', () => {
  const value = new ObservableValue(0, ignore);
  let told = 0;
  const stops: (() => void)[] = [];
  value.subscribe(() => {
    for (const stop of stops) stop();
  });
  stops.push(value.subscribe(() => (told += 1)));
  value.set(1);
  expect(told).toBe(0);
});
