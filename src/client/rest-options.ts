import type { RestClientOptions } from '../transport/rest-client.ts';
import type { TokenSource } from '../transport/token-source.ts';
import type { ResolvedOptions } from './options.ts';

/** Returns the options of a REST client that asks the client's server as the client's user. */
export function restOptionsOf(
  { url, restPath, fetch, clock, requestTimeoutMs }: ResolvedOptions,
  tokens: TokenSource,
  userId: () => string | undefined,
  isBase: () => boolean,
): RestClientOptions {
  return {
    baseUrl: `${url ?? ''}${restPath}`,
    fetch: fetch ?? globalThis.fetch.bind(globalThis),
    clock,
    tokens,
    userId,
    isBase,
    timeoutMs: requestTimeoutMs,
  };
}
