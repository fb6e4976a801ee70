import type { Socket } from 'node:net';

/**
 * Returns the number of bytes of a stream that the kernel has accepted. It grows while the peer reads, also during a
 * single large write, which Node's own counters only see when it is complete.
 */
export function acceptedBytes(stream: Socket): number {
  const handle: unknown = Reflect.get(stream, '_handle');
  if (typeof handle === 'object' && handle !== null) {
    const written: unknown = Reflect.get(handle, 'bytesWritten');
    const queued: unknown = Reflect.get(handle, 'writeQueueSize');
    if (typeof written === 'number' && typeof queued === 'number') return written - queued;
  }
  return stream.bytesWritten - stream.writableLength;
}
