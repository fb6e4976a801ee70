import type { SocketListener, SocketPort } from '../../src/transport/socket-port.ts';

export type SocketLogEntry =
  | { type: 'connected' }
  | { type: 'disconnected'; reason: string; byServer: boolean }
  | { type: 'refused'; code: string | undefined; message: string }
  | { type: 'pushed'; frame: unknown };

export interface SocketLog {
  readonly entries: readonly SocketLogEntry[];
  /** Returns the next entry that no earlier call has returned. */
  next(): Promise<SocketLogEntry>;
}

/** Listens on a port and records its events in order. */
export function logSocket(port: SocketPort): SocketLog {
  const entries: SocketLogEntry[] = [];
  const waiting: (() => void)[] = [];
  let taken = 0;
  const add = (entry: SocketLogEntry): void => {
    entries.push(entry);
    waiting.shift()?.();
  };
  const listener: SocketListener = {
    connected: () => add({ type: 'connected' }),
    disconnected: (reason, byServer) => add({ type: 'disconnected', reason, byServer }),
    refused: ({ code, message }) => add({ type: 'refused', code, message }),
    pushed: (frame) => add({ type: 'pushed', frame }),
  };
  port.listen(listener);
  return {
    entries,
    async next() {
      if (taken >= entries.length) await new Promise<void>((resolve) => waiting.push(resolve));
      const entry = entries[taken];
      if (entry === undefined) throw new Error('No entry');
      taken += 1;
      return entry;
    },
  };
}
