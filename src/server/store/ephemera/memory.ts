import { systemClock, type Clock } from '../../../lib/clock.ts';
import type { PresenceReader } from '../../services/ports.ts';
import type { CallRecord } from './call-record.ts';
import type { PresenceStatus } from '../../../protocol/vocabulary.ts';

/** What others see of a user. */
export interface PresenceEntry {
  readonly userId: string;
  readonly status: PresenceStatus;
  readonly lastSeen: string;
  readonly socketIds: ReadonlySet<string>;
}

const TYPING_TIMEOUT_MS = 5_000;
const NOBODY: ReadonlySet<string> = new Set();

/**
 * What lasts no longer than the people are there: sockets, presence, typing and calls, in the memory of this process.
 * It keeps; the rules are in the services.
 */
export class CommunicationStore implements PresenceReader {
  readonly #clock: Clock;
  readonly #socketsOf = new Map<string, Set<string>>();
  readonly #userOf = new Map<string, string>();
  /** By socket: what each device says of itself. */
  readonly #devices = new Map<string, PresenceStatus>();
  readonly #presence = new Map<string, { status: PresenceStatus; lastSeen: string }>();
  /** By conversation, then user: how to cancel the end of typing. */
  readonly #typing = new Map<string, Map<string, () => void>>();
  readonly #calls = new Map<string, CallRecord>();

  /** @param clock - for tests */
  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  // Sockets

  /** A socket of this user is connected. */
  mapUserSocket(userId: string, socketId: string): void {
    const sockets = this.#socketsOf.get(userId);
    if (sockets === undefined) this.#socketsOf.set(userId, new Set([socketId]));
    else sockets.add(socketId);
    this.#userOf.set(socketId, userId);
  }

  /** @returns whose it was */
  unmapUserSocket(socketId: string): string | undefined {
    const userId = this.#userOf.get(socketId);
    if (userId === undefined) return undefined;
    this.#userOf.delete(socketId);
    this.#devices.delete(socketId);
    const sockets = this.#socketsOf.get(userId);
    sockets?.delete(socketId);
    if (sockets?.size === 0) this.#socketsOf.delete(userId);
    return userId;
  }

  /** Ids of the user's connected sockets. */
  getSocketsForUser(userId: string): ReadonlySet<string> {
    return this.#socketsOf.get(userId) ?? NOBODY;
  }

  /** Whose socket it is. */
  getUserForSocket(socketId: string): string | undefined {
    return this.#userOf.get(socketId);
  }

  /** Whether any device of theirs is connected, also when they appear offline. */
  isUserOnline(userId: string): boolean {
    return this.#socketsOf.has(userId);
  }

  // Presence

  /** What one device says of itself; nothing happens for a socket that isn't connected. */
  setDeviceStatus(socketId: string, status: PresenceStatus): void {
    if (this.#userOf.has(socketId)) this.#devices.set(socketId, status);
  }

  /** What each of the user's devices says of itself. */
  getDeviceStatuses(userId: string): readonly PresenceStatus[] {
    return [...this.getSocketsForUser(userId)].map((socketId) => this.#devices.get(socketId) ?? 'online');
  }

  /** What others see of the user from now on. */
  setPresence(userId: string, status: PresenceStatus, lastSeen = this.#now()): PresenceEntry {
    this.#presence.set(userId, { status, lastSeen });
    return { userId, status, lastSeen, socketIds: this.getSocketsForUser(userId) };
  }

  /** What others see of the user; `undefined` while nothing is known, which counts as offline. */
  getPresence(userId: string): PresenceEntry | undefined {
    const entry = this.#presence.get(userId);
    return entry && { userId, ...entry, socketIds: this.getSocketsForUser(userId) };
  }

  /** Forgets what others see of the user. */
  removePresence(userId: string): void {
    this.#presence.delete(userId);
  }

  /** The statuses of many users at once; whoever is missing is offline. */
  presenceOf(userIds: readonly string[]): ReadonlyMap<string, PresenceStatus> {
    const statuses = new Map<string, PresenceStatus>();
    for (const userId of userIds) {
      const status = this.#presence.get(userId)?.status;
      if (status !== undefined) statuses.set(userId, status);
    }
    return statuses;
  }

  // Typing

  /** Starts or prolongs; without a sign it ends after `timeoutMs`, and `onExpire` is called. */
  setTyping(conversationId: string, userId: string, onExpire: () => void, timeoutMs = TYPING_TIMEOUT_MS): void {
    this.clearTyping(conversationId, userId);
    const cancel = this.#clock.after(timeoutMs, () => {
      if (this.clearTyping(conversationId, userId)) onExpire();
    });
    const typing = this.#typing.get(conversationId);
    if (typing === undefined) this.#typing.set(conversationId, new Map([[userId, cancel]]));
    else typing.set(userId, cancel);
  }

  /** @returns whether they were typing */
  clearTyping(conversationId: string, userId: string): boolean {
    const typing = this.#typing.get(conversationId);
    const cancel = typing?.get(userId);
    if (typing === undefined || cancel === undefined) return false;
    cancel();
    typing.delete(userId);
    if (typing.size === 0) this.#typing.delete(conversationId);
    return true;
  }

  /** Who types in a conversation, in the order they started. */
  getTypingUsers(conversationId: string): string[] {
    return [...(this.#typing.get(conversationId)?.keys() ?? [])];
  }

  /** Whether somebody types in a conversation. */
  isTyping(conversationId: string, userId: string): boolean {
    return this.#typing.get(conversationId)?.has(userId) === true;
  }

  // Calls

  /** Keeps a call as it stands now. */
  setCall(call: CallRecord): void {
    this.#calls.set(call.id, call);
  }

  /** A call by its id. */
  getCall(callId: string): CallRecord | undefined {
    return this.#calls.get(callId);
  }

  /** Forgets a call. */
  removeCall(callId: string): void {
    this.#calls.delete(callId);
  }

  /** The call that somebody is in, or that rings for them. */
  getActiveCallForUser(userId: string): CallRecord | undefined {
    return this.getCallsForUser(userId)[0];
  }

  /** The calls that somebody is in, or that ring for them. */
  getCallsForUser(userId: string): readonly CallRecord[] {
    return [...this.#calls.values()].filter(
      ({ seats, invitations }) =>
        seats.some((seat) => seat.userId === userId) ||
        invitations.some((each) => each.userId === userId && each.answer === 'pending'),
    );
  }

  #now(): string {
    return new Date(this.#clock.now()).toISOString();
  }
}

let shared: CommunicationStore | undefined;

/** The store that all handlers of this process share unless they are given another. */
export function useCommunicationStore(): CommunicationStore {
  return (shared ??= new CommunicationStore());
}
