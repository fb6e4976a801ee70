import { beforeEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../../../../src/lib/logger.ts';
import { isUnavailable, outageCode, OutageTracker } from '../../../../../src/server/store/engine/outages.ts';
import { manualClock } from '../../../../helpers/manual-clock.ts';

/** As `node:sqlite` throws it. */
function nodeError(errcode: number): Error {
  return Object.assign(new Error('failed'), { code: 'ERR_SQLITE_ERROR', errcode });
}

/** As better-sqlite3 throws it. */
function betterError(code: string): Error {
  return Object.assign(new Error('failed'), { code });
}

describe('outageCode', () => {
  test.each([
    ['another process', nodeError(5), 'SQLITE_BUSY'],
    ['another process, at recovery', nodeError(261), 'SQLITE_BUSY'],
    ['a file without write permission', nodeError(8), 'SQLITE_READONLY'],
    ['a disk that fails to write', nodeError(778), 'SQLITE_IOERR'],
    ['a full disk', nodeError(13), 'SQLITE_FULL'],
    ['a file that was deleted', nodeError(14), 'SQLITE_CANTOPEN'],
    ['a full disk, by name', betterError('SQLITE_FULL'), 'SQLITE_FULL'],
    ['a disk that fails to sync, by name', betterError('SQLITE_IOERR_FSYNC'), 'SQLITE_IOERR'],
    ['a broken constraint', nodeError(2067), undefined],
    ['a broken constraint, by name', betterError('SQLITE_CONSTRAINT_UNIQUE'), undefined],
    ['an invalid statement', nodeError(1), undefined],
    ['a full disk reported by another component', betterError('ENOSPC'), undefined],
    ['nothing', undefined, undefined],
    ['text', 'SQLITE_FULL', undefined],
  ])('%s', (_what, error, name) => {
    expect(outageCode(error)).toBe(name);
  });
});

describe('OutageTracker', () => {
  const clock = manualClock();
  let logged: string[];
  let outages: OutageTracker;
  beforeEach(() => {
    logged = [];
    outages = new OutageTracker(
      {
        ...silentLogger,
        error: (message, fields) => logged.push(`${message}: ${fields?.['sqlite']}`),
        info: (message) => logged.push(message),
      },
      clock,
    );
  });
  const begun = 'database outage: SQLITE_FULL';

  test('logs an outage once, regardless of its duration and number of failures', () => {
    for (let n = 0; n < 5; n += 1) {
      outages.record(nodeError(13));
      clock.advance(120_000);
    }
    expect(logged).toEqual([begun]);
  });

  test('an outage continues if a small write succeeds in between', () => {
    for (let n = 0; n < 5; n += 1) {
      outages.record(nodeError(13));
      clock.advance(30_000);
      outages.recordWrite();
    }
    expect(outages.active).toBe(true);
    expect(logged).toEqual([begun]);
  });

  test('an outage ends after successful writes for a while, and the next one is logged again', () => {
    outages.record(nodeError(13));
    clock.advance(60_000);
    outages.recordWrite();
    expect(outages.active).toBe(false);
    outages.record(nodeError(13));
    expect(logged).toEqual([begun, 'database available again', begun]);
  });

  test('toUnavailable adds retryAfterMs and returns other errors unchanged', () => {
    expect(outages.toUnavailable(nodeError(13))).toMatchObject({ code: 'UNAVAILABLE', retryAfterMs: 5_000 });
    expect(outages.toUnavailable(nodeError(5))).toMatchObject({ code: 'UNAVAILABLE', retryAfterMs: 1_000 });
    expect(isUnavailable(outages.toUnavailable(nodeError(5)))).toBe(true);
    const other = new RangeError('other');
    expect(outages.toUnavailable(other)).toBe(other);
  });
});
