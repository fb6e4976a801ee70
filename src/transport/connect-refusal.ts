import { fields } from './fields.ts';
import type { ConnectRefusal } from './socket-port.ts';

/** Converts a `connect_error` of Socket.IO. A rejection by the server has its code in `data`; transport errors have none. */
export function refusalOf(error: unknown): ConnectRefusal {
  if (!(error instanceof Error)) return { message: String(error) };
  const code = fields('data' in error ? error.data : undefined)?.['code'];
  return { code: typeof code === 'string' ? code : undefined, message: error.message, cause: error };
}
