import { isIPv6 } from 'node:net';
import type { IncomingMessage } from 'node:http';
import type { Scheme } from './origins.ts';

/**
 * Returns the address by which connections are counted. An IPv6 address is reduced to its first 64 bits, because one
 * subscriber has at least that many addresses to choose from (RFC 6177).
 *
 * @param trustedProxies - number of proxies in front of the server, each of which appends the address of its peer to
 *   `X-Forwarded-For`. With 0 the header is ignored, because a peer can write what it wants into it.
 */
export function peerAddress(request: IncomingMessage, trustedProxies: number): string {
  const socketAddress = request.socket.remoteAddress ?? '';
  if (trustedProxies === 0) return addressKey(socketAddress);
  const forwarded = String(request.headers['x-forwarded-for'] ?? '')
    .split(',')
    .map((each) => each.trim());
  return addressKey(forwarded.at(-trustedProxies) || socketAddress);
}

/** Returns the scheme by which the browser reached the server: that of the outermost proxy, if proxies are trusted. */
export function peerScheme(request: IncomingMessage, trustedProxies: number): Scheme {
  if (trustedProxies === 0) return 'http';
  const forwarded = String(request.headers['x-forwarded-proto'] ?? '')
    .split(',')
    .map((each) => each.trim().toLowerCase());
  return (forwarded.at(-trustedProxies) ?? forwarded[0]) === 'https' ? 'https' : 'http';
}

function addressKey(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  return isIPv6(address) ? `${groups(address).slice(0, 4).join(':')}::/64` : address;
}

/** Expands the `::` of an IPv6 address. */
function groups(address: string): string[] {
  const [head = '', tail] = (address.split('%')[0] ?? '').toLowerCase().split('::');
  const before = head === '' ? [] : head.split(':');
  if (tail === undefined) return before;
  const after = tail === '' ? [] : tail.split(':');
  const missing = Math.max(0, 8 - before.length - after.length);
  return [...before, ...Array.from({ length: missing }, () => '0'), ...after];
}
