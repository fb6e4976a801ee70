import type { PresenceStatus } from '../../protocol/constants.ts';

/** A value, or a promise of it where another process has to be asked. */
export type Awaitable<T> = T | Promise<T>;

/** A connected socket of a user. */
export interface Device {
  readonly socketId: string;
  /** The status that the device reports. */
  readonly status: PresenceStatus;
  /** Whether the device shows calls while the user is in another one (capability `call-waiting`). */
  readonly showsWaiting: boolean;
}

/** Presence of a user as others see it. */
export interface UserPresence {
  readonly status: PresenceStatus;
  /** ISO 8601 time at which the status was set, if it is known. */
  readonly lastSeen?: string | undefined;
  /** Orders the changes that several processes make; absent with one process. */
  readonly version?: number | undefined;
}

/** What this process knows of a user. */
export interface LocalPresence {
  /** The user's devices in this process. */
  readonly devices: readonly Device[];
  /** Whether the user's last device here has left so recently that the user isn't offline yet. */
  readonly isLeaving?: boolean | undefined;
  /** The status that the user has chosen; `undefined` if the devices decide. */
  readonly chosen: PresenceStatus | undefined;
  /** Whether `chosen` was just read or stored; otherwise what another process has set is kept. */
  readonly isFresh?: boolean | undefined;
  /** ISO 8601 time of a change. @defaultValue now */
  readonly at?: string | undefined;
}

/** The presence that follows from the devices in all processes. */
export interface DerivedPresence {
  readonly status: PresenceStatus;
  /** When the status was set; `undefined` if the user was offline before. */
  readonly lastSeen: string | undefined;
  readonly version?: number | undefined;
  /** Whether the status has changed, so that it has to be pushed. */
  readonly isChanged: boolean;
  /** Whether a device of the user is connected to any process, or has just left. */
  readonly isConnected: boolean;
}

/** Is told what happens in other processes. */
export interface EphemeraListener {
  /** The presence of a user has changed, because a process has ended. Only one of the others is told. */
  presenceChanged(userId: string, presence: DerivedPresence): void;
  /** The others may not know what was set of these users: it has to be set again. */
  lost(userIds: readonly string[]): void;
}

/** What a process has used of a limit that all processes share: a bucket of `burst` tokens, refilled at `perSecond`. */
export interface LimitUse {
  readonly key: string;
  readonly tokens: number;
  readonly burst: number;
  readonly perSecond: number;
}

/**
 * Port of the limits that processes share. Nothing waits for the others: a process decides by what it knows, and learns what they
 * have used from the answers to its own reports.
 */
export interface SharedLimits {
  /** Whether what other processes have set is known at present. Otherwise each one takes its share of the limits. */
  readonly connected: boolean;
  /** Number of running processes, including this one, as far as it is known. */
  readonly processes: number;
  /** Reports a use. @param left - called with the tokens that all processes together have left; below 0 if they used too many */
  spend(use: LimitUse, left: (tokens: number) => void): void;
  /** Reports how many of something this process has, such as connections of an address. It is forgotten after 15 s. */
  count(key: string, value: number): void;
  /** Returns how many the other processes have, according to the answer to the last report, if it was at most 15 s ago. */
  countElsewhere(key: string): number;
}

/**
 * Port of the state that ends with the processes and that they share: which devices of a user are connected, and the presence
 * that follows, and what users have used of their limits. It never fails: while other processes can't be asked, the answers are
 * what this process knows.
 */
export interface Ephemera extends SharedLimits {
  /** Sets the listener. Called once, before anything else. */
  listen(listener: EphemeraListener): void;
  /** Replaces what the others know of a user from this process, and derives the user's presence from all processes. */
  setPresence(userId: string, presence: LocalPresence): Awaitable<DerivedPresence>;
  /** Returns the presence of users. Those without an entry are offline. */
  presenceOf(userIds: readonly string[]): Awaitable<ReadonlyMap<string, UserPresence>>;
  /** Returns the devices of a user that are connected to other processes. */
  devicesElsewhere(userId: string): Awaitable<readonly Device[]>;
  /** Ends the part of this process: another one tells that its users have left. Idempotent. */
  close(): Promise<void>;
}

const MOST_PRESENT_FIRST: readonly PresenceStatus[] = ['online', 'busy', 'away'];

/**
 * Derives the status that others see: the one that the user chose, else the most available status of the user's
 * devices. A user without a connected device is offline.
 */
export function derivePresence(devices: readonly PresenceStatus[], chosen: PresenceStatus | undefined): PresenceStatus {
  if (devices.length === 0) return 'offline';
  if (chosen !== undefined) return chosen;
  return MOST_PRESENT_FIRST.find((status) => devices.includes(status)) ?? 'offline';
}

/** Calls `use` with a value, in this turn if it is known. */
export function whenKnown<T>(value: Awaitable<T>, use: (value: T) => void): void {
  if (value instanceof Promise) void value.then(use);
  else use(value);
}
