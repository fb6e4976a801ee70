import type { Clock } from '../lib/clock.ts';
import type { Emitter } from '../lib/emitter.ts';
import type { Lazy } from '../lib/lazy.ts';
import type { Logger } from '../lib/logger.ts';
import type { RandomSource } from '../lib/random.ts';
import { CommError } from '../protocol/errors.ts';
import type { Requester } from '../transport/request-channel.ts';
import type { Cipher } from './cipher.ts';
import type { CommEvents } from './events.ts';
import type { Capability } from '../protocol/constants.ts';

/** The parsers of server responses that parts of the first load use. */
export type Rows = Pick<typeof import('../transport/parse-rows.ts'), 'parseMessage' | 'parsePresence'>;

/** Dependencies that the composition root passes to every part of the client. */
export interface ClientContext {
  readonly requester: Requester;
  /** Parsers of server responses. Loaded during the handshake, so `current` is set before any response arrives. */
  readonly rows: Lazy<Rows>;
  /** Absent without the option `encryption`; else `current` is set before any response arrives. */
  readonly cipher: Lazy<Cipher> | undefined;
  readonly emitter: Emitter<CommEvents>;
  readonly clock: Clock;
  readonly random: RandomSource;
  /** Returns a new UUIDv7, later than all before it and than the id `after`. */
  readonly newId: (after?: string) => string;
  readonly logger: Logger;
  /** Returns the user id that the server confirmed, else the one of the options. */
  readonly userId: () => string | undefined;
  /** Returns true if client and server both have the capability; always false before the first connection. */
  readonly has: (capability: Capability) => boolean;
  /** Returns true while requests can be sent: connected, or resyncing. */
  readonly online: () => boolean;
  /** Resolves when connected and in step with the server. Rejects while the client is not trying to connect. */
  readonly whenConnected: (signal: AbortSignal | undefined) => Promise<void>;
  /** As `whenConnected()`, but also waits for a later `connect()`. */
  readonly untilConnected: (signal: AbortSignal | undefined) => Promise<void>;
  /** Logs an error that no caller awaits and emits it as the event `error`. */
  readonly report: (error: unknown) => void;
}

/** The error for a server response that can't be parsed. */
export function unreadable(what: string): CommError {
  return new CommError('INTERNAL', `The server sent an invalid ${what}`);
}
