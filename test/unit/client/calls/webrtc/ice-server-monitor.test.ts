import { expect, test } from 'vitest';
import { IceServerMonitor } from '../../../../../src/client/calls/webrtc/ice-server-monitor.ts';
import type { CommError } from '../../../../../src/protocol/errors.ts';

function monitored(): { monitor: IceServerMonitor; errors: CommError[] } {
  const errors: CommError[] = [];
  return { monitor: new IceServerMonitor((error) => errors.push(error)), errors };
}

const url = 'turn:turn.example.com:3478?transport=udp';

test.each([
  [401, 'Unauthorized', true],
  [403, 'Forbidden', true],
  [486, 'Allocation Quota Reached', false],
])('the answer %i %s of a server is reported at once', (errorCode, errorText, hasFix) => {
  const { monitor, errors } = monitored();
  monitor.onCandidateError({ url, errorCode, errorText });
  const message = `${url} answered with ${errorCode} ${errorText}`;
  expect(errors.map(({ code, message: text }) => [code, text])).toEqual([['UNAVAILABLE', message]]);
  expect(errors[0]?.fix !== undefined).toBe(hasFix);
});

test('each server is reported once, however many connections and restarts it fails', () => {
  const { monitor, errors } = monitored();
  for (const each of [url, url, 'turn:other.example.com']) {
    monitor.onCandidateError({ url: each, errorCode: 401, errorText: 'Unauthorized' });
  }
  expect(errors).toHaveLength(2);
});

test('an unreachable server is reported when a connection fails, not before', () => {
  const { monitor, errors } = monitored();
  monitor.onCandidateError({ url, errorCode: 701, errorText: 'TURN allocate request timed out.' });
  expect(errors).toEqual([]);
  monitor.onFailed();
  monitor.onFailed();
  expect(errors.map(({ message }) => message)).toEqual([`${url} can't be reached`]);
});
