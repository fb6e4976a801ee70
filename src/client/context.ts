import type { Clock } from '../lib/clock.ts';
import type { Emitter } from '../lib/emitter.ts';
import type { Lazy } from '../lib/lazy.ts';
import type { Logger } from '../lib/logger.ts';
import { CommError } from '../protocol/errors.ts';
import type { Requester } from '../transport/wire.ts';
import type { Cipher } from './cipher.ts';
import type { CommEvents } from './events.ts';
import type { Capability } from '../protocol/vocabulary.ts';

export type Rows = typeof import('../transport/rows.ts');

/** What the composition root hands to every sub-client. */
export interface ClientContext {
  readonly requester: Requester;
  /** Readers of answers: loaded beside the handshake, so there once anything can be answered. */
  readonly rows: Lazy<Rows>;
  /** Absent without the option `encryption`; otherwise there once anything can be answered. */
  readonly cipher: Lazy<Cipher> | undefined;
  readonly emitter: Emitter<CommEvents>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Who the server says this is, else who the options say it is. */
  readonly userId: () => string | undefined;
  /** True once the peer has said it can; never before a connection stood. */
  readonly has: (capability: Capability) => boolean;
  /** True while requests make sense: connected, or catching up. */
  readonly online: () => boolean;
  /** Resolves when connected and in step; rejects when nobody is trying to connect. */
  readonly whenConnected: (signal: AbortSignal | undefined) => Promise<void>;
  /** The same for whoever can wait until somebody calls `connect()`. */
  readonly untilConnected: (signal: AbortSignal | undefined) => Promise<void>;
  /** For errors that nobody awaits: logged, and told by the event `error`. */
  readonly report: (error: unknown) => void;
}

/** What reading a server's answer throws when the answer makes no sense. */
export function unreadable(what: string): CommError {
  return new CommError('INTERNAL', `The server answered no readable ${what}`);
}

/** @throws TypeError unless `values` is a list of ids; a lone text would be taken for one of letters */
export function requireIds(name: string, values: unknown): asserts values is readonly string[] {
  if (!Array.isArray(values)) throw new TypeError(`${name} must be a list of ids`);
  for (const value of values as readonly unknown[]) requireId(name, value);
}

/** @throws TypeError unless `value` can be an id */
export function requireId(name: string, value: unknown): asserts value is string {
  if (typeof value !== 'string' || value === '') throw new TypeError(`${name} must be a non-empty string`);
}
