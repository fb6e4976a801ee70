import { beforeEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../../../src/lib/logger.ts';
import { isUnavailable, outageOf, Outages } from '../../../../src/server/store/outages.ts';
import { manualClock } from '../../../helpers/manual-clock.ts';

/** As `node:sqlite` throws it. */
function nodeError(errcode: number): Error {
  return Object.assign(new Error('failed'), { code: 'ERR_SQLITE_ERROR', errcode });
}

/** As better-sqlite3 throws it. */
function betterError(code: string): Error {
  return Object.assign(new Error('failed'), { code });
}

describe('an error of the database', () => {
  test.each([
    ['another process', nodeError(5), 'SQLITE_BUSY'],
    ['another process, at recovery', nodeError(261), 'SQLITE_BUSY'],
    ['a file that may not be written', nodeError(8), 'SQLITE_READONLY'],
    ['a disk that fails to write', nodeError(778), 'SQLITE_IOERR'],
    ['a full disk', nodeError(13), 'SQLITE_FULL'],
    ['a file that is gone', nodeError(14), 'SQLITE_CANTOPEN'],
    ['a full disk, by name', betterError('SQLITE_FULL'), 'SQLITE_FULL'],
    ['a disk that fails to sync, by name', betterError('SQLITE_IOERR_FSYNC'), 'SQLITE_IOERR'],
    ['a broken constraint', nodeError(2067), undefined],
    ['a broken constraint, by name', betterError('SQLITE_CONSTRAINT_UNIQUE'), undefined],
    ['a statement that is none', nodeError(1), undefined],
    ['a full disk of somebody else', betterError('ENOSPC'), undefined],
    ['nothing', undefined, undefined],
    ['text', 'SQLITE_FULL', undefined],
  ])('%s', (_what, error, name) => {
    expect(outageOf(error)).toBe(name);
  });
});

describe('a spell', () => {
  const clock = manualClock();
  let logged: string[];
  let outages: Outages;
  beforeEach(() => {
    logged = [];
    outages = new Outages(
      {
        ...silentLogger,
        error: (message, fields) => logged.push(`${message}: ${fields?.['sqlite']}`),
        info: (message) => logged.push(message),
      },
      clock,
    );
  });
  const begun = 'The database is not available: SQLITE_FULL';

  test('is logged once, however many requests it fails and however long it is', () => {
    for (let n = 0; n < 5; n += 1) {
      outages.begin(nodeError(13));
      clock.advance(120_000);
    }
    expect(logged).toEqual([begun]);
  });

  test('goes on where something small fits in between', () => {
    for (let n = 0; n < 5; n += 1) {
      outages.begin(nodeError(13));
      clock.advance(30_000);
      outages.wrote();
    }
    expect(outages.lasts).toBe(true);
    expect(logged).toEqual([begun]);
  });

  test('is over once writing has gone well for a while, and the next one is logged again', () => {
    outages.begin(nodeError(13));
    clock.advance(60_000);
    outages.wrote();
    expect(outages.lasts).toBe(false);
    outages.begin(nodeError(13));
    expect(logged).toEqual([begun, 'The database is available again', begun]);
  });

  test('answers what it is with when to come back, and leaves other failures as they are', () => {
    expect(outages.answer(nodeError(13))).toMatchObject({ code: 'UNAVAILABLE', retryAfterMs: 5_000 });
    expect(outages.answer(nodeError(5))).toMatchObject({ code: 'UNAVAILABLE', retryAfterMs: 1_000 });
    expect(isUnavailable(outages.answer(nodeError(5)))).toBe(true);
    const other = new RangeError('other');
    expect(outages.answer(other)).toBe(other);
  });
});
