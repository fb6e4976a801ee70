import type { Clock } from '../../lib/clock.ts';
import type { CallOptions } from './call-types.ts';
import type { IceConfig } from './media-backend.ts';

/** Credentials that end while they are being used are as good as ended. */
const MARGIN_MS = 10_000;

/** The ICE servers, asked for again when their time is over; one question for all that ask at once. */
export function iceSource(given: CallOptions['iceServers'], clock: Clock): () => Promise<IceConfig> {
  if (typeof given !== 'function') return () => Promise.resolve({ iceServers: given ?? [] });
  let current: IceConfig | undefined;
  let asking: Promise<IceConfig> | undefined;
  const ask = async (): Promise<IceConfig> => {
    try {
      return (current = await given());
    } finally {
      asking = undefined;
    }
  };
  return () => {
    const expiresAt = current?.expiresAt;
    if (current !== undefined && expiresAt !== undefined && clock.now() < expiresAt - MARGIN_MS) {
      return Promise.resolve(current);
    }
    return (asking ??= ask());
  };
}
