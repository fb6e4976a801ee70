import { expect, test } from 'vitest';
import { packetBytes } from '../../../../src/server/sockets/packet-bytes.ts';

test.each<[data: unknown, bytes: number]>([
  ['', 0],
  ['abc', 3],
  ['€', 3],
  ['abc', 3],
  ['€€', 6],
  ['€€', 6],
  [new Uint8Array(5), 5],
  [undefined, 0],
])('the data %j of a packet has %i bytes', (data, bytes) => {
  expect(packetBytes(data)).toBe(bytes);
});
