let lastText = '';
let lastBytes = 0;

/** Returns the size of the data of a packet in bytes. The packets of a broadcast have the same text, which is measured once. */
export function packetBytes(data: unknown): number {
  if (typeof data !== 'string') return data instanceof Uint8Array ? data.byteLength : 0;
  if (data !== lastText) [lastText, lastBytes] = [data, Buffer.byteLength(data)];
  return lastBytes;
}
