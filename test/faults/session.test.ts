import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import type { SessionFigures } from './session.ts';

const file = fileURLToPath(new URL('session-child.ts', import.meta.url));

test('the heap of a client does not grow with the length of its session, and a view holds a window of the messages', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--expose-gc',
    '--disable-warning=ExperimentalWarning',
    file,
    '40000',
  ]);
  const { heaps, mostShown, told, messages } = JSON.parse(stdout) as SessionFigures;
  expect(told).toBe(messages);
  expect(mostShown).toBeGreaterThan(400);
  expect(mostShown).toBeLessThanOrEqual(600);
  // From the third tenth on all bounded collections are full, so any further growth is a leak.
  const growth = ((heaps.at(-1) ?? 0) - (heaps[2] ?? 0)) / (messages * 0.7);
  expect(growth).toBeLessThan(20);
});
