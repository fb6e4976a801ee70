import type { IncomingMessage } from 'node:http';
import { expect, test } from 'vitest';
import { peerAddress } from '../../../../src/server/http/peer-address.ts';

function request(remoteAddress: string | undefined, forwardedFor?: string): IncomingMessage {
  return { socket: { remoteAddress }, headers: { 'x-forwarded-for': forwardedFor } } as unknown as IncomingMessage;
}

test.each([
  ['192.0.2.1', '192.0.2.1'],
  ['::ffff:192.0.2.1', '192.0.2.1'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:DB8::1', '2001:db8:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  [undefined, ''],
])('the peer %s is counted as %s', (remote, expected) => {
  expect(peerAddress(request(remote), 0)).toBe(expected);
});

test('without a trusted proxy, X-Forwarded-For is ignored', () => {
  expect(peerAddress(request('192.0.2.1', '198.51.100.7'), 0)).toBe('192.0.2.1');
});

test.each([
  [1, '203.0.113.9, 198.51.100.7', '198.51.100.7'],
  [2, '203.0.113.9, 198.51.100.7', '203.0.113.9'],
  [3, '203.0.113.9, 198.51.100.7', '192.0.2.1'],
  [1, undefined, '192.0.2.1'],
  [1, '2001:db8:1:2::5', '2001:db8:1:2::/64'],
])('with %i trusted proxies and X-Forwarded-For: %s', (proxies, forwardedFor, expected) => {
  expect(peerAddress(request('192.0.2.1', forwardedFor), proxies)).toBe(expected);
});
