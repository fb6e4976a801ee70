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
