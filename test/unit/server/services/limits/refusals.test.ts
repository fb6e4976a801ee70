import { expect, test } from 'vitest';
import { silentLogger, type LogFields } from '../../../../../src/lib/logger.ts';
import { Refusals } from '../../../../../src/server/services/limits/refusals.ts';
import { manualClock } from '../../../../helpers/manual-clock.ts';

function start() {
  const clock = manualClock();
  const lines: [string, LogFields | undefined][] = [];
  const logger = { ...silentLogger, warn: (message: string, fields?: LogFields) => void lines.push([message, fields]) };
  return { clock, lines, refusals: new Refusals(clock, logger, () => 60_000) };
}

test('a cause is logged once per interval, and its repetitions as a count', () => {
  const { clock, lines, refusals } = start();
  for (let count = 0; count < 1_000; count += 1) refusals.note('too many connections', 'RATE_LIMITED');
  expect(lines).toEqual([['too many connections', { code: 'RATE_LIMITED' }]]);
  clock.advance(60_000);
  expect(lines.slice(1)).toEqual([['too many connections', { code: 'RATE_LIMITED', count: 999 }]]);
  clock.advance(60_000);
  expect(lines).toHaveLength(2);
  refusals.note('too many connections', 'RATE_LIMITED');
  expect(lines).toHaveLength(3);
});

test('another cause, or the same with another code, has its own line', () => {
  const { lines, refusals } = start();
  refusals.note('connection rejected', 'UNAUTHENTICATED');
  refusals.note('connection rejected', 'TOKEN_EXPIRED');
  refusals.note('origin rejected', 'FORBIDDEN');
  expect(lines).toHaveLength(3);
});

test('refusals are counted by code', () => {
  const { refusals } = start();
  refusals.note('connection rejected', 'UNAUTHENTICATED');
  refusals.note('connection rejected', 'UNAUTHENTICATED');
  refusals.count('INVALID');
  expect([...refusals.counts]).toEqual([
    ['UNAUTHENTICATED', 2],
    ['INVALID', 1],
  ]);
});
