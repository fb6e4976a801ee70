import { expect, test } from 'vitest';
import { deferred } from '../../../src/lib/deferred.ts';
import { Semaphore } from '../../../src/lib/semaphore.ts';
import { eventually } from '../../helpers/eventually.ts';

test('a task that takes long holds up none that has a free place', async () => {
  const semaphore = new Semaphore(2);
  const started: string[] = [];
  const ends = new Map(['slow', 'a', 'b', 'c'].map((name) => [name, deferred<string>()]));
  const run = (name: string): Promise<string> =>
    semaphore.run(async () => {
      started.push(name);
      return (await ends.get(name)?.promise) ?? '';
    });
  const [slow, ...others] = ['slow', 'a', 'b', 'c'].map(run);
  expect(started).toEqual(['slow', 'a']);
  ends.get('a')?.reject(new Error('failed'));
  await expect(others[0]).rejects.toThrow('failed');
  await eventually(() => expect(started).toEqual(['slow', 'a', 'b']));
  ends.get('b')?.resolve('b');
  ends.get('c')?.resolve('c');
  expect(await Promise.all(others.slice(1))).toEqual(['b', 'c']);
  ends.get('slow')?.resolve('slow');
  expect(await slow).toBe('slow');
  // Both places are free again.
  await semaphore.run(() => semaphore.run(async () => undefined));
});

test('a task that is aborted while it waits does not run, and holds up none behind it', async () => {
  const semaphore = new Semaphore(1);
  const first = deferred<string>();
  const running = semaphore.run(() => first.promise);
  const aborted = new AbortController();
  const waiting = semaphore.run(async () => 'never', aborted.signal);
  const last = semaphore.run(async () => 'last');
  aborted.abort(new Error('given up'));
  await expect(waiting).rejects.toThrow('given up');
  first.resolve('first');
  expect(await Promise.all([running, last])).toEqual(['first', 'last']);
});

test('a place that is handed to a task in the moment it is aborted goes to the next one', async () => {
  for (let ticks = 0; ticks < 10; ticks += 1) {
    const semaphore = new Semaphore(1);
    const first = deferred<undefined>();
    const aborted = new AbortController();
    const running = semaphore.run(() => first.promise);
    const waiting = semaphore.run(async () => undefined, aborted.signal);
    const last = semaphore.run(async () => 'last');
    first.resolve(undefined);
    for (let tick = 0; tick < ticks; tick += 1) await Promise.resolve();
    aborted.abort(new Error('given up'));
    await Promise.allSettled([running, waiting]);
    expect(await last).toBe('last');
    expect(await semaphore.run(async () => 'free')).toBe('free');
  }
});

test('a task with an aborted signal does not run', async () => {
  const late = new Semaphore(1).run(async () => 'never', AbortSignal.abort(new Error('late')));
  await expect(late).rejects.toThrow('late');
});
