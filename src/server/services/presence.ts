import type { Clock } from '../../lib/clock.ts';
import { errorFields, type Logger } from '../../lib/logger.ts';
import type { PresenceUpdate, SetPresence, WatchPresence } from '../../protocol/presence.ts';
import type { ResolvedConfig } from '../config.ts';
import type { CommunicationStore } from '../store/ephemera/memory.ts';
import { isUnavailable } from '../store/outages.ts';
import type { Store } from '../store/store.ts';
import {
  conversationIdsOf,
  keepChosenStatus,
  keepLastSeen,
  lastSeenOf,
  sharingWith,
  storedPresence,
} from '../store/users.ts';
import { KeyedTimers } from './keyed-timers.ts';
import { PresenceWatches, type WatchHub } from './presence-watches.ts';
import type { Caller, Hub } from './ports.ts';
import type { PresenceStatus } from '../../protocol/vocabulary.ts';

/** What presence needs of the hub. */
export interface PresenceHub extends WatchHub, Pick<Hub, 'toUser' | 'toSocket'> {
  toWatchers(userId: string, push: { event: 'presence:changed'; data: PresenceUpdate }): void;
  readonly hasBaseSockets: boolean;
  /** They can't watch anybody: they are told by sharing a room. */
  baseSocketsIn(conversationIds: readonly string[]): ReadonlySet<string>;
}

export interface PresenceDeps {
  store: Store;
  ephemera: CommunicationStore;
  hub: PresenceHub;
  clock: Clock;
  config: Pick<ResolvedConfig, 'presenceGraceMs'>;
  logger: Logger;
}

const MOST_PRESENT_FIRST: readonly PresenceStatus[] = ['online', 'busy', 'away'];

/**
 * What others see: a status somebody chose, else the one of their most present device. Who is nowhere connected is
 * offline, whatever they chose.
 */
export function derivePresence(devices: readonly PresenceStatus[], chosen: PresenceStatus | undefined): PresenceStatus {
  if (devices.length === 0) return 'offline';
  if (chosen !== undefined) return chosen;
  return MOST_PRESENT_FIRST.find((status) => devices.includes(status)) ?? 'offline';
}

/** Who is there, over all of a person's devices, and who is told of it. */
export class PresenceService {
  readonly #deps: PresenceDeps;
  readonly #watches: PresenceWatches;
  /** Of everybody who is connected, or was a moment ago: what they chose. Whoever is missing, it isn't known yet. */
  readonly #choices = new Map<string, PresenceStatus | undefined>();
  readonly #loading = new Map<string, Promise<void>>();
  /** By user whose last device went: until they are offline. */
  readonly #leaving: KeyedTimers;

  constructor(deps: PresenceDeps) {
    this.#deps = deps;
    this.#watches = new PresenceWatches(deps.store, deps.hub);
    this.#leaving = new KeyedTimers(deps.clock);
  }

  /** A device came. Nothing is told of it yet. */
  arrived({ userId, socketId }: Caller): void {
    if (socketId === undefined) return;
    this.#deps.ephemera.mapUserSocket(userId, socketId);
    this.#deps.ephemera.setDeviceStatus(socketId, 'online');
    this.#leaving.cancel(userId);
  }

  /** The device that came is served. Its user's choice is known before anybody is told: it may be to appear offline. */
  async connected({ userId }: Caller): Promise<void> {
    await this.#loadChoice(userId);
    this.#publish(userId);
  }

  /** A device went. With the last one its user is offline after a while, unless they come back. */
  disconnected({ socketId }: Caller): void {
    if (socketId === undefined) return;
    this.#watches.forget(socketId);
    const { ephemera, clock, config } = this.#deps;
    const userId = ephemera.unmapUserSocket(socketId);
    if (userId === undefined) return;
    if (ephemera.isUserOnline(userId)) {
      this.#publish(userId);
      return;
    }
    const leftAt = new Date(clock.now()).toISOString();
    this.#leaving.set(userId, config.presenceGraceMs, () => this.#left(userId, leftAt));
  }

  async update({ userId, socketId }: Caller, { status, chosen = true }: SetPresence): Promise<PresenceUpdate> {
    const { ephemera, store } = this.#deps;
    if (chosen) {
      const choice = status === 'online' ? undefined : status;
      await store.write(() => keepChosenStatus(userId, choice));
      this.#choices.set(userId, choice);
    }
    // A choice says nothing of a device, except that somebody is at this one.
    if (socketId !== undefined) ephemera.setDeviceStatus(socketId, chosen ? 'online' : status);
    this.#publish(userId);
    return this.#snapshot(userId, undefined);
  }

  /** How those people are who share a conversation with the caller, and from now on every change; others are left out. */
  async watch({ userId, socketId }: Caller, { userIds }: WatchPresence): Promise<PresenceUpdate[]> {
    const [sharing, lastSeen] = await this.#deps.store.read(function* () {
      return [yield* sharingWith(userId, userIds), yield* lastSeenOf(userIds)] as const;
    });
    const watched = [...new Set(userIds)].filter((id) => id === userId || sharing.has(id));
    // The socket may be gone by now, and what is kept of it with it.
    const connected = socketId !== undefined && this.#deps.ephemera.getUserForSocket(socketId) === userId;
    if (connected) this.#watches.add(socketId, userId, watched);
    return watched.map((id) => this.#snapshot(id, lastSeen.get(id)));
  }

  unwatch({ socketId }: Caller, { userIds }: WatchPresence): null {
    if (socketId !== undefined) this.#watches.remove(socketId, userIds);
    return null;
  }

  /** Somebody lost a conversation. */
  lost(userId: string): void {
    this.#watches.recheck(userId).catch(this.#report('who watches whom was not checked'));
  }

  close(): void {
    this.#leaving.clear();
  }

  async #loadChoice(userId: string): Promise<void> {
    if (this.#choices.has(userId)) return;
    let loading = this.#loading.get(userId);
    if (loading === undefined) {
      const read = this.#deps.store.read(() => storedPresence(userId));
      loading = read
        .then(({ chosen }) => void this.#choices.set(userId, chosen))
        .finally(() => this.#loading.delete(userId));
      this.#loading.set(userId, loading);
    }
    await loading;
  }

  #left(userId: string, leftAt: string): void {
    const { ephemera, store } = this.#deps;
    this.#publish(userId, leftAt);
    this.#choices.delete(userId);
    // Somebody who appeared offline was last seen when they began to, or before they came.
    const lastSeen = ephemera.getPresence(userId)?.lastSeen;
    ephemera.removePresence(userId);
    if (lastSeen === undefined) return;
    store
      .write(() => keepLastSeen(userId, lastSeen))
      .catch(this.#report('the time somebody was last seen was not kept'));
  }

  #publish(userId: string, lastSeenAt?: string): void {
    if (!this.#choices.has(userId)) return;
    const { ephemera, hub } = this.#deps;
    const before = ephemera.getPresence(userId)?.status ?? 'offline';
    const status = derivePresence(ephemera.getDeviceStatuses(userId), this.#choices.get(userId));
    if (status === before) return;
    const { lastSeen } = ephemera.setPresence(userId, status, lastSeenAt);
    const push = { event: 'presence:changed', data: { userId, status, lastSeen } } as const;
    hub.toWatchers(userId, push);
    hub.toUser(userId, push);
    if (hub.hasBaseSockets) this.#tellBaseSockets(push.data).catch(this.#report('presence was not told'));
  }

  async #tellBaseSockets(data: PresenceUpdate): Promise<void> {
    const { store, hub, ephemera } = this.#deps;
    const conversationIds = await store.read(() => conversationIdsOf(data.userId));
    for (const socketId of hub.baseSocketsIn(conversationIds)) {
      const told = ephemera.getUserForSocket(socketId) === data.userId || this.#watches.has(socketId, data.userId);
      if (!told) hub.toSocket(socketId, { event: 'presence:changed', data });
    }
  }

  #snapshot(userId: string, storedLastSeen: string | undefined): PresenceUpdate {
    const entry = this.#deps.ephemera.getPresence(userId);
    const lastSeen = entry?.lastSeen ?? storedLastSeen;
    return { userId, status: entry?.status ?? 'offline', ...(lastSeen !== undefined && { lastSeen }) };
  }

  #report(what: string): (error: unknown) => void {
    return (error) => {
      if (!isUnavailable(error)) this.#deps.logger.error(what, errorFields(error));
    };
  }
}
