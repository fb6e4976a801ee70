import { expect, test } from 'vitest';
import { iceServerSource, serverIceServers } from '../../../../../src/client/calls/webrtc/ice-servers.ts';
import type { IceConfig } from '../../../../../src/client/calls/webrtc/media-backend.ts';
import { CommError } from '../../../../../src/protocol/errors.ts';
import type { Requester } from '../../../../../src/transport/request-channel.ts';
import { manualClock } from '../../../../helpers/manual-clock.ts';

const iceServers = [{ urls: 'stun:stun.example.com' }];

test('accepts a list or nothing', async () => {
  expect(await iceServerSource(iceServers, manualClock())()).toEqual({ iceServers });
  expect(await iceServerSource(undefined, manualClock())()).toEqual({ iceServers: [] });
});

test('calls the function again shortly before the expiry, once for concurrent requests', async () => {
  const clock = manualClock();
  let calls = 0;
  const source = iceServerSource(() => {
    calls += 1;
    return Promise.resolve({ iceServers, expiresAt: clock.now() + 60_000 });
  }, clock);
  await Promise.all([source(), source()]);
  await source();
  expect(calls).toBe(1);
  clock.advance(51_000);
  await source();
  expect(calls).toBe(2);
});

test('calls the function again after a failure', async () => {
  let calls = 0;
  const source = iceServerSource(() => {
    calls += 1;
    return calls === 1 ? Promise.reject(new Error('offline')) : { iceServers };
  }, manualClock());
  await expect(source()).rejects.toThrow('offline');
  expect(await source()).toEqual({ iceServers });
});

test.each<[title: string, answer: unknown]>([
  ['nothing', undefined],
  ['the list itself', iceServers],
  ['one server', { iceServers: iceServers[0] }],
  ['another name', { servers: iceServers }],
])('a function that returns %s is INVALID', async (_title, answer) => {
  const source = iceServerSource(() => answer as IceConfig, manualClock());
  await expect(source()).rejects.toMatchObject({ code: 'INVALID' });
});

function serverThat(answer: () => Promise<unknown>, isBase = false): Parameters<typeof serverIceServers>[0] {
  const requester = { request: (_name: string) => answer() } as unknown as Requester;
  return { requester, clock: manualClock(1_000), has: () => !isBase };
}

test('credentials of the server expire on the clock of this device', async () => {
  const answer = { iceServers: [{ urls: ['turn:turn.example.com'], username: 'u', credential: 'c' }], ttlSeconds: 60 };
  const config = await serverIceServers(serverThat(() => Promise.resolve(answer)))();
  expect(config).toEqual({ iceServers: answer.iceServers, expiresAt: 61_000 });
});

test('a base server has no ICE servers, and a failed request rejects', async () => {
  const base = serverThat(() => Promise.reject(new Error('must not be asked')), true);
  expect(await serverIceServers(base)()).toEqual({ iceServers: [] });
  const offline = serverThat(() => Promise.reject(new CommError('DISCONNECTED', 'offline')));
  await expect(serverIceServers(offline)()).rejects.toMatchObject({ code: 'DISCONNECTED' });
});
