import { expect, test } from 'vitest';
import { createSelection, derive, openOnUse } from '../../../src/bindings/source.ts';

/** An observable that records when it is opened and closed. */
function recording() {
  const log: string[] = [];
  let set: (value: string) => void = () => undefined;
  const source = openOnUse('initial', (next) => {
    log.push('open');
    set = next;
    return () => log.push('close');
  });
  return { log, source, set: (value: string) => set(value) };
}

test('an observable opens for its first subscriber and closes after its last', async () => {
  const { log, source, set } = recording();
  expect(source.getSnapshot()).toBe('initial');
  const stops = [source.subscribe(() => log.push('first')), source.subscribe(() => log.push('second'))];
  set('value');
  expect(source.getSnapshot()).toBe('value');
  expect(source.getServerSnapshot()).toBe('initial');
  stops[0]?.();
  stops[0]?.();
  await Promise.resolve();
  expect(log).toEqual(['open', 'first', 'second']);
  stops[1]?.();
  expect(log).not.toContain('close');
  await Promise.resolve();
  expect(log.at(-1)).toBe('close');
  expect(source.getSnapshot()).toBe('initial');
  source.subscribe(() => undefined);
  expect(log.filter((each) => each === 'open')).toHaveLength(2);
});

test('an observable that is left and used again in one step stays open', async () => {
  const { log, source, set } = recording();
  const stop = source.subscribe(() => undefined);
  set('value');
  stop();
  const again = source.subscribe(() => undefined);
  await Promise.resolve();
  expect(log).toEqual(['open']);
  expect(source.getSnapshot()).toBe('value');
  again();
  await Promise.resolve();
  expect(log).toEqual(['open', 'close']);
});

const list = [1];

test.each([
  ['the same number', (value: number) => value > 0, true],
  ['a new list of the same parts', (value: number) => [value > 0, list], true],
  ['a new object with the same parts', (value: number) => ({ isPositive: value > 0, list }), true],
  ['a list of another length', (value: number) => Array.from({ length: value }), false],
  ['an object with another part', (value: number) => ({ value }), false],
  ['an object with other keys', (value: number) => ({ [`key ${value}`]: true }), false],
  ['equal, but not plain objects', (value: number) => new Map([[value > 0, 1]]), false],
])('%s: the selection is the same object: %s', (_name, selector: (value: number) => unknown, isSame) => {
  const select = createSelection(selector);
  const first = select(1);
  expect(Object.is(select(1), first)).toBe(true);
  expect(Object.is(select(2), first)).toBe(isSame);
});

test('a selector that replaces another one starts from what that one selected', () => {
  const held = createSelection((value: number) => [value])(1);
  expect(
    createSelection(
      (value: number) => [value],
      () => held,
    )(1),
  ).toBe(held);
});

test('a derived value is computed once per value', () => {
  const values = [{ a: 1 }, { a: 2 }];
  let at = 0;
  const derived = derive(
    { getSnapshot: () => values[at], getServerSnapshot: () => values[0], subscribe: () => () => undefined },
    (value) => new Set([value?.a]),
  );
  expect(derived.getSnapshot()).toBe(derived.getSnapshot());
  const before = derived.getSnapshot();
  at = 1;
  expect(derived.getSnapshot()).not.toBe(before);
  expect(derived.getServerSnapshot()).toEqual(new Set([1]));
});
