import { createHmac } from 'node:crypto';
import type { Clock } from '../../../lib/clock.ts';
import type { IceServers } from '../../../protocol/calls.ts';
import type { ResolvedConfig } from '../../config.ts';
import type { Caller } from '../ports.ts';

/** Dependencies of {@link IceServerService}. */
export interface IceServerDeps {
  clock: Clock;
  /** Read on each request, because the app may configure it later. */
  config: Pick<ResolvedConfig, 'iceServers' | 'turn'>;
}

/** Tells clients which STUN and TURN servers to use. */
export class IceServerService {
  readonly #deps: IceServerDeps;

  constructor(deps: IceServerDeps) {
    this.#deps = deps;
  }

  /** Returns the configured servers, with TURN credentials for the caller that expire. */
  iceServers({ userId }: Caller): IceServers {
    const { clock, config } = this.#deps;
    const { iceServers, turn } = config;
    const fixed = iceServers.map((each) => ({ ...each, urls: [...each.urls] }));
    if (turn === undefined) return { iceServers: fixed };
    const { urls, secret, ttl } = turn;
    const expiresAt = Math.floor(clock.now() / 1_000) + ttl;
    // The TURN server and the network see the name. It is the same for all credentials of the user, for quotas.
    const name = createHmac('sha256', secret).update(userId).digest('base64url').slice(0, 22);
    const username = `${expiresAt}:${name}`;
    return {
      iceServers: [...fixed, { urls: [...urls], username, credential: turnCredential(secret, username) }],
      ttlSeconds: ttl,
    };
  }
}

/**
 * Returns the password that coturn with `use-auth-secret` expects for a username of the form `<expiry>:<name>`, where
 * the expiry is in seconds since the epoch (draft-uberti-behave-turn-rest-00, section 2.2).
 */
function turnCredential(secret: string, username: string): string {
  return createHmac('sha1', secret).update(username).digest('base64');
}
