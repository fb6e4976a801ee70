import type { Clock } from '../../../lib/clock.ts';
import type { IceServers } from '../../../protocol/calls.ts';
import { CommError } from '../../../protocol/errors.ts';
import type { ClientContext } from '../../context.ts';
import type { CallOptions } from '../session/call-types.ts';
import type { IceConfig } from './media-backend.ts';

/** Credentials that expire within this time are requested again, because they would expire during use. */
const EXPIRY_MARGIN_MS = 10_000;

/** How long an answer of the server without credentials is used. */
const SERVER_TTL_SECONDS = 600;

/** Returns a function that requests the ICE servers of the server. A base server has none. */
export function serverIceServers({
  requester,
  clock,
  has,
}: Pick<ClientContext, 'requester' | 'clock' | 'has'>): () => Promise<IceConfig> {
  return async () => {
    if (!has('multi-socket-call')) return { iceServers: [] };
    const { iceServers, ttlSeconds = SERVER_TTL_SECONDS }: IceServers = await requester.request('call:ice-servers', {});
    return { iceServers: iceServers as RTCIceServer[], expiresAt: clock.now() + ttlSeconds * 1_000 };
  };
}

/**
 * Returns a source of ICE configurations for the option `iceServers`. Caches an answer until shortly before `expiresAt`;
 * an answer without `expiresAt` is not cached. Concurrent calls share one request. The source rejects with `INVALID` if an answer has no list.
 */
export function iceServerSource(option: CallOptions['iceServers'], clock: Clock): () => Promise<IceConfig> {
  if (typeof option !== 'function') return () => Promise.resolve({ iceServers: option ?? [] });
  let cached: IceConfig | undefined;
  let pending: Promise<IceConfig> | undefined;
  const request = async (): Promise<IceConfig> => {
    try {
      const config = await option();
      // Checked here because apps fetch it as JSON.
      if (!Array.isArray((config as Partial<IceConfig> | undefined)?.iceServers)) {
        throw new CommError('INVALID', 'iceServers must return an object with the list `iceServers`');
      }
      return (cached = config);
    } finally {
      pending = undefined;
    }
  };
  return () => {
    const expiresAt = cached?.expiresAt;
    if (cached !== undefined && expiresAt !== undefined && clock.now() < expiresAt - EXPIRY_MARGIN_MS) {
      return Promise.resolve(cached);
    }
    return (pending ??= request());
  };
}
