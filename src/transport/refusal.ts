import type { ConnectRefusal } from './socket-port.ts';

/** Reads a `connect_error` of Socket.IO: a server's middleware says why in `data`, errors of the transport have none. */
export function refusalOf(error: unknown): ConnectRefusal {
  if (!(error instanceof Error)) return { message: String(error) };
  const data = 'data' in error ? error.data : undefined;
  const code = typeof data === 'object' && data !== null && 'code' in data ? data.code : undefined;
  return { code: typeof code === 'string' ? code : undefined, message: error.message };
}
