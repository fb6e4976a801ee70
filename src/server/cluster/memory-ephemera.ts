import { BoundedMap } from '../../lib/bounded-map.ts';
import { systemClock, type Clock } from '../../lib/clock.ts';
import type { ActiveCall, Call, CallParticipant } from '../../protocol/calls.ts';
import type { CallEndReason, CallState, PresenceStatus } from '../../protocol/constants.ts';
import type { KeyBundle, PreKey } from '../../protocol/encryption.ts';
import type { PresenceReader, RunningCalls } from '../services/ports.ts';
import { recordState, toActiveCall, toCall, toCallRecord, type CallRecord } from './call-record.ts';

/** Presence of a user as others see it. */
export interface PresenceEntry {
  /** Id of the user. */
  readonly userId: string;
  /** Status that others see. */
  readonly status: PresenceStatus;
  /** ISO 8601 time at which the status was set. */
  readonly lastSeen: string;
  /** Ids of the user's connected sockets. */
  readonly socketIds: ReadonlySet<string>;
}

const TYPING_TIMEOUT_MS = 5_000;
/** Number of users whose keys are copied; a bundle has a few kilobytes. */
const MAX_KEY_BUNDLES = 500;
const NO_SOCKETS: ReadonlySet<string> = new Set();

/**
 * Holds the ephemeral state of this process in memory: sockets, presence, typing, calls and copies of published keys.
 * Contains no rules; the services apply them. It has the methods that LumenJS apps call.
 */
export class CommunicationStore implements PresenceReader, RunningCalls {
  readonly #clock: Clock;
  readonly #socketsOf = new Map<string, Set<string>>();
  readonly #userOf = new Map<string, string>();
  /** By socket: the status that each device reported. */
  readonly #devices = new Map<string, PresenceStatus>();
  readonly #presence = new Map<string, { status: PresenceStatus; lastSeen: string }>();
  /** By conversation, then user: cancels the timer that ends typing. */
  readonly #typing = new Map<string, Map<string, () => void>>();
  readonly #calls = new Map<string, CallRecord>();
  readonly #keyBundles = new BoundedMap<string, KeyBundle>(MAX_KEY_BUNDLES);

  /** @param clock - source of time and timers; tests inject their own */
  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  // Sockets

  /** Registers a connected socket of a user. */
  mapUserSocket(userId: string, socketId: string): void {
    const sockets = this.#socketsOf.get(userId);
    if (sockets === undefined) this.#socketsOf.set(userId, new Set([socketId]));
    else sockets.add(socketId);
    this.#userOf.set(socketId, userId);
  }

  /** Removes a socket. @returns the user it belonged to, or `undefined` if it is unknown */
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

  /** Returns the ids of the user's connected sockets. */
  getSocketsForUser(userId: string): ReadonlySet<string> {
    return this.#socketsOf.get(userId) ?? NO_SOCKETS;
  }

  /** Returns the user of a socket. */
  getUserForSocket(socketId: string): string | undefined {
    return this.#userOf.get(socketId);
  }

  /** Returns whether a device of the user is connected, also if the user appears offline. */
  isUserOnline(userId: string): boolean {
    return this.#socketsOf.has(userId);
  }

  // Presence

  /** Sets the status that a device reports. Does nothing if the socket isn't connected. */
  setDeviceStatus(socketId: string, status: PresenceStatus): void {
    if (this.#userOf.has(socketId)) this.#devices.set(socketId, status);
  }

  /** Returns the status of each of the user's devices, by socket. */
  getDeviceStatuses(userId: string): ReadonlyMap<string, PresenceStatus> {
    const statuses = new Map<string, PresenceStatus>();
    for (const socketId of this.getSocketsForUser(userId)) {
      statuses.set(socketId, this.#devices.get(socketId) ?? 'online');
    }
    return statuses;
  }

  /** Sets the presence that others see. */
  setPresence(userId: string, status: PresenceStatus, lastSeen = this.#now()): PresenceEntry {
    this.#presence.set(userId, { status, lastSeen });
    return { userId, status, lastSeen, socketIds: this.getSocketsForUser(userId) };
  }

  /** Returns the presence that others see; `undefined` counts as offline. */
  getPresence(userId: string): PresenceEntry | undefined {
    const entry = this.#presence.get(userId);
    return entry && { userId, ...entry, socketIds: this.getSocketsForUser(userId) };
  }

  /** Removes the presence of a user. */
  removePresence(userId: string): void {
    this.#presence.delete(userId);
  }

  /** Returns the statuses of several users. Users without an entry are offline. */
  presenceOf(userIds: readonly string[]): ReadonlyMap<string, PresenceStatus> {
    const statuses = new Map<string, PresenceStatus>();
    for (const userId of userIds) {
      const status = this.#presence.get(userId)?.status;
      if (status !== undefined) statuses.set(userId, status);
    }
    return statuses;
  }

  // Typing

  /** Starts or renews typing. If it isn't renewed within `timeoutMs`, typing ends and `onExpire` is called. */
  setTyping(conversationId: string, userId: string, onExpire: () => void, timeoutMs = TYPING_TIMEOUT_MS): void {
    this.clearTyping(conversationId, userId);
    const cancel = this.#clock.after(timeoutMs, () => {
      if (this.clearTyping(conversationId, userId)) onExpire();
    });
    const typing = this.#typing.get(conversationId);
    if (typing === undefined) this.#typing.set(conversationId, new Map([[userId, cancel]]));
    else typing.set(userId, cancel);
  }

  /** Ends typing. @returns whether the user was typing */
  clearTyping(conversationId: string, userId: string): boolean {
    const typing = this.#typing.get(conversationId);
    const cancel = typing?.get(userId);
    if (typing === undefined || cancel === undefined) return false;
    cancel();
    typing.delete(userId);
    if (typing.size === 0) this.#typing.delete(conversationId);
    return true;
  }

  /** Returns the users who are typing in a conversation, in the order in which they started. */
  getTypingUsers(conversationId: string): string[] {
    return [...(this.#typing.get(conversationId)?.keys() ?? [])];
  }

  /** Returns whether the user is typing in the conversation. */
  isTyping(conversationId: string, userId: string): boolean {
    return this.#typing.get(conversationId)?.has(userId) === true;
  }

  /** Ends the user's typing in all conversations. @returns the ids of those in which the user was typing */
  clearAllTypingForUser(userId: string): string[] {
    return [...this.#typing.keys()].filter((conversationId) => this.clearTyping(conversationId, userId));
  }

  // Calls

  /** Returns a call by its id. */
  getCall(callId: string): Call | undefined {
    return callOf(this.#calls.get(callId));
  }

  /** Returns the call that the user participates in or is invited to. */
  getActiveCallForUser(userId: string): Call | undefined {
    return callOf(this.getCallRecordsForUser(userId)[0]);
  }

  /** Stores a call that the server didn't start. It doesn't ring. */
  addCall(call: Call): void {
    this.#calls.set(call.id, toCallRecord(call));
  }

  /** Changes the state of a call without telling its participants. @returns the call, or `undefined` if it is unknown */
  updateCallState(callId: string, state: CallState, endReason?: CallEndReason): Call | undefined {
    const now = this.#clock.now();
    return this.#updateCall(callId, (call) => ({
      ...call,
      state: recordState(state),
      ...(endReason !== undefined && { endReason }),
      ...(state === 'connected' && { answeredAt: call.answeredAt ?? now }),
      ...(state === 'ended' && { endedAt: now }),
    }));
  }

  /** Adds a participant, or replaces the one with the same user id, without telling the others. */
  addCallParticipant(callId: string, participant: CallParticipant): Call | undefined {
    return this.#updateCall(callId, (call) => {
      const seats = call.seats.filter(({ userId }) => userId !== participant.userId);
      return { ...call, seats: [...seats, { ...participant, socketId: undefined }] };
    });
  }

  /** Removes a participant without telling the others. */
  removeCallParticipant(callId: string, userId: string): Call | undefined {
    return this.#updateCall(callId, (call) => ({
      ...call,
      seats: call.seats.filter((seat) => seat.userId !== userId),
    }));
  }

  /** Removes a call without telling its participants. */
  removeCall(callId: string): void {
    this.#calls.delete(callId);
  }

  /** Stores the current state of a call. */
  setCallRecord(call: CallRecord): void {
    this.#calls.set(call.id, call);
  }

  /** Returns the server's record of a call. */
  getCallRecord(callId: string): CallRecord | undefined {
    return this.#calls.get(callId);
  }

  /** Returns the records of the calls that the user participates in or is invited to. */
  getCallRecordsForUser(userId: string): readonly CallRecord[] {
    return [...this.#calls.values()].filter(
      ({ seats, invitations }) =>
        seats.some((seat) => seat.userId === userId) ||
        invitations.some((each) => each.userId === userId && each.answer === 'pending'),
    );
  }

  /** Returns the records of the calls of a conversation, in the order in which they started. */
  getCallRecordsForConversation(conversationId: string): readonly CallRecord[] {
    return [...this.#calls.values()].filter((call) => call.conversationId === conversationId);
  }

  /** Returns the running calls by the ids of their conversations: of each, the first one that was answered. */
  activeCalls(): ReadonlyMap<string, ActiveCall> {
    const active = new Map<string, ActiveCall>();
    for (const record of this.#calls.values()) {
      const call = active.has(record.conversationId) ? undefined : toActiveCall(record);
      if (call !== undefined) active.set(record.conversationId, call);
    }
    return active;
  }

  #updateCall(callId: string, change: (call: CallRecord) => CallRecord): Call | undefined {
    const call = this.#calls.get(callId);
    if (call === undefined) return undefined;
    const changed = change(call);
    this.#calls.set(callId, changed);
    return toCall(changed);
  }

  // Keys

  /**
   * Keeps a copy of the keys that a user has published in this process. The database holds the published keys; changing
   * the copy doesn't change them.
   */
  setKeyBundle(userId: string, bundle: KeyBundle): void {
    this.#keyBundles.set(userId, bundle);
  }

  /** Returns the copy of the user's keys; `undefined` if they weren't published in this process. */
  getKeyBundle(userId: string): KeyBundle | undefined {
    return this.#keyBundles.get(userId);
  }

  /** Removes the first one-time prekey from the copy and returns it; `undefined` if there is none. */
  popOneTimePreKey(userId: string): PreKey | undefined {
    const first = this.#keyBundles.get(userId)?.oneTimePreKeys[0];
    if (first !== undefined) this.dropOneTimePreKey(userId, first.keyId);
    return first;
  }

  /** Removes a one-time prekey from the copy, because the server has handed it out. */
  dropOneTimePreKey(userId: string, keyId: number): void {
    const bundle = this.#keyBundles.get(userId);
    if (bundle === undefined) return;
    const oneTimePreKeys = bundle.oneTimePreKeys.filter((preKey) => preKey.keyId !== keyId);
    this.#keyBundles.set(userId, { ...bundle, oneTimePreKeys });
  }

  /** Returns the number of one-time prekeys in the copy. */
  getOneTimePreKeyCount(userId: string): number {
    return this.#keyBundles.get(userId)?.oneTimePreKeys.length ?? 0;
  }

  /** Removes the copy of the user's keys. */
  removeKeyBundle(userId: string): void {
    this.#keyBundles.delete(userId);
  }

  #now(): string {
    return new Date(this.#clock.now()).toISOString();
  }
}

function callOf(record: CallRecord | undefined): Call | undefined {
  return record && toCall(record);
}

let shared: CommunicationStore | undefined;

/** Returns the store that all handlers of this process share unless they are given another. */
export function useCommunicationStore(): CommunicationStore {
  return (shared ??= new CommunicationStore());
}
