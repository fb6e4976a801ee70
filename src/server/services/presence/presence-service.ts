import type { Clock } from '../../../lib/clock.ts';
import { errorFields, type Logger } from '../../../lib/logger.ts';
import type { PresenceUpdate, SetPresence, WatchPresence } from '../../../protocol/presence.ts';
import type { ResolvedConfig } from '../../config.ts';
import type { CommunicationStore } from '../../cluster/memory-ephemera.ts';
import { isUnavailable } from '../../store/engine/outages.ts';
import type { Store } from '../../store/store.ts';
import { userKey } from '../../store/write-keys.ts';
import {
  conversationIdsOf,
  storeChosenStatus,
  storeLastSeen,
  lastSeenOf,
  storedPresence,
} from '../../store/queries/users.ts';
import { relatedAmong } from '../../store/queries/people/blocks.ts';
import { KeyedTimers } from '../../../lib/keyed-timers.ts';
import { forEachContact } from './contacts.ts';
import { PresenceWatches, type WatchBroadcaster } from './presence-watches.ts';
import type { ContactPolicy } from '../people/contact-policy.ts';
import type { Caller, Broadcaster } from '../ports.ts';
import type { PresenceStatus } from '../../../protocol/constants.ts';

/** The part of the broadcaster that presence uses. */
export interface PresenceBroadcaster extends WatchBroadcaster, Pick<Broadcaster, 'toUser' | 'toSocket'> {
  /** Pushes to the sockets that watch the user. */
  toWatchers(userId: string, push: { event: 'presence:changed'; data: PresenceUpdate }): void;
  /** Whether a base socket is in a room. */
  readonly hasBaseSockets: boolean;
  /** Base sockets can't watch users. They receive the presence of members of their rooms. */
  baseSocketsIn(conversationIds: readonly string[]): ReadonlySet<string>;
}

/** Dependencies of {@link PresenceService}. */
export interface PresenceDeps {
  store: Store;
  ephemera: CommunicationStore;
  broadcaster: PresenceBroadcaster;
  clock: Clock;
  config: Pick<ResolvedConfig, 'presenceGraceMs'>;
  contacts: Pick<ContactPolicy, 'filter'>;
  logger: Logger;
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

/** Maintains presence over all devices of a user and pushes changes to watchers. */
export class PresenceService {
  readonly #deps: PresenceDeps;
  readonly #watches: PresenceWatches;
  /** Chosen status of connected users and of users in the grace period. A missing entry has not been loaded yet. */
  readonly #choices = new Map<string, PresenceStatus | undefined>();
  readonly #loading = new Map<string, Promise<void>>();
  /** By user without a connected device: the grace period until the user is offline. */
  readonly #graceTimers: KeyedTimers<string>;

  constructor(deps: PresenceDeps) {
    this.#deps = deps;
    this.#watches = new PresenceWatches(deps.store, deps.broadcaster);
    this.#graceTimers = new KeyedTimers(deps.clock);
  }

  /** Registers a connected device. Nothing is pushed yet. */
  register({ userId, socketId }: Caller): void {
    if (socketId === undefined) return;
    this.#deps.ephemera.mapUserSocket(userId, socketId);
    this.#deps.ephemera.setDeviceStatus(socketId, 'online');
    this.#graceTimers.cancel(userId);
  }

  /**
   * Publishes the presence of a registered device. The chosen status is loaded first, because the user may have chosen
   * to appear offline.
   */
  async connected({ userId }: Caller): Promise<void> {
    await this.#loadChoice(userId);
    this.#publish(userId);
  }

  /** Handles a disconnected device. After the last one, the user becomes offline when the grace period has passed. */
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
    this.#graceTimers.set(userId, config.presenceGraceMs, () => this.#goOffline(userId, leftAt));
  }

  /** Sets the chosen status of the user (`chosen`, the default) or the status of the device. */
  async update({ userId, socketId }: Caller, { status, chosen = true }: SetPresence): Promise<PresenceUpdate> {
    const { ephemera, store } = this.#deps;
    if (chosen) {
      const choice = status === 'online' ? undefined : status;
      await store.write(() => storeChosenStatus(userId, choice), undefined, { keys: () => [userKey(userId)] });
      this.#choices.set(userId, choice);
    }
    // A chosen status says nothing about the device, except that the user is active on it.
    if (socketId !== undefined) ephemera.setDeviceStatus(socketId, chosen ? 'online' : status);
    this.#publish(userId);
    return this.#snapshot(userId, undefined);
  }

  /**
   * Returns the presence of contacts and subscribes the socket to their changes. Users who share no conversation with
   * the caller, and those whom the caller may not contact, are omitted.
   */
  async watch(caller: Caller, { userIds }: WatchPresence): Promise<PresenceUpdate[]> {
    const { store, ephemera, contacts: policy } = this.#deps;
    const { userId, socketId } = caller;
    const asked = await policy.filter(caller, [...new Set(userIds)]);
    const lastSeen = await store.read(() => lastSeenOf(asked));
    const watched: PresenceUpdate[] = [];
    await forEachContact(store, userId, asked, (ids, contacts, related) => {
      const visible = ids.filter((id) => id === userId || contacts.has(id));
      for (const id of visible) {
        watched.push(related.has(id) ? { userId: id, status: 'offline' } : this.#snapshot(id, lastSeen.get(id)));
      }
      // The socket may have been closed in the meantime.
      const connected = socketId !== undefined && ephemera.getUserForSocket(socketId) === userId;
      if (connected) this.#watches.add(socketId, userId, visible, related);
    });
    return watched;
  }

  /** Ends the subscription to users. */
  unwatch({ socketId }: Caller, { userIds }: WatchPresence): null {
    if (socketId !== undefined) this.#watches.remove(socketId, userIds);
    return null;
  }

  /** Removes watches that are no longer allowed after a user lost a conversation. */
  memberRemoved(userId: string): void {
    this.#watches.recheck(userId).catch(this.#logFailure('failed to update presence watches'));
  }

  /** Hides the presence of two users from each other, or shows it again. Notifies each of them who watches the other. */
  blockChanged(one: string, other: string, isHidden: boolean): void {
    for (const [watcherId, userId] of [
      [one, other],
      [other, one],
    ] as const) {
      const data: PresenceUpdate = isHidden ? { userId, status: 'offline' } : this.#snapshot(userId, undefined);
      for (const socketId of this.#watches.setHidden(watcherId, userId, isHidden)) {
        this.#deps.broadcaster.toSocket(socketId, { event: 'presence:changed', data });
      }
    }
  }

  /** Makes a user without a connected device offline at once, and stores nothing about it. For a user who is erased. */
  forget(userId: string): void {
    const { ephemera } = this.#deps;
    if (ephemera.isUserOnline(userId)) return;
    this.#graceTimers.cancel(userId);
    this.#publish(userId);
    this.#choices.delete(userId);
    ephemera.removePresence(userId);
  }

  /** Stops all timers. */
  close(): void {
    this.#graceTimers.clear();
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

  #goOffline(userId: string, leftAt: string): void {
    const { ephemera, store } = this.#deps;
    this.#publish(userId, leftAt);
    this.#choices.delete(userId);
    // A user who appeared offline was last seen when that status was chosen, or before the connection.
    const lastSeen = ephemera.getPresence(userId)?.lastSeen;
    ephemera.removePresence(userId);
    if (lastSeen === undefined) return;
    store
      .write(() => storeLastSeen(userId, lastSeen), undefined, { keys: () => [userKey(userId)] })
      .catch(this.#logFailure('failed to store the last-seen time'));
  }

  #publish(userId: string, lastSeenAt?: string): void {
    if (!this.#choices.has(userId)) return;
    const { ephemera, broadcaster } = this.#deps;
    const before = ephemera.getPresence(userId)?.status ?? 'offline';
    const status = derivePresence(ephemera.getDeviceStatuses(userId), this.#choices.get(userId));
    if (status === before) return;
    const { lastSeen } = ephemera.setPresence(userId, status, lastSeenAt);
    const push = { event: 'presence:changed', data: { userId, status, lastSeen } } as const;
    broadcaster.toWatchers(userId, push);
    broadcaster.toUser(userId, push);
    if (broadcaster.hasBaseSockets)
      this.#pushToBaseSockets(push.data).catch(this.#logFailure('failed to push presence to base clients'));
  }

  async #pushToBaseSockets(data: PresenceUpdate): Promise<void> {
    const { store, broadcaster, ephemera } = this.#deps;
    const conversationIds = await store.read(() => conversationIdsOf(data.userId));
    const sockets = [...broadcaster.baseSocketsIn(conversationIds)];
    const users = new Set(sockets.map((id) => ephemera.getUserForSocket(id) ?? ''));
    const related = await store.read(() => relatedAmong(data.userId, [...users]));
    for (const socketId of sockets) {
      const userId = ephemera.getUserForSocket(socketId) ?? '';
      const alreadyPushed = userId === data.userId || this.#watches.has(socketId, data.userId);
      if (!alreadyPushed && !related.has(userId)) broadcaster.toSocket(socketId, { event: 'presence:changed', data });
    }
  }

  #snapshot(userId: string, storedLastSeen: string | undefined): PresenceUpdate {
    const entry = this.#deps.ephemera.getPresence(userId);
    const lastSeen = entry?.lastSeen ?? storedLastSeen;
    return { userId, status: entry?.status ?? 'offline', ...(lastSeen !== undefined && { lastSeen }) };
  }

  #logFailure(what: string): (error: unknown) => void {
    return (error) => {
      if (!isUnavailable(error)) this.#deps.logger.error(what, errorFields(error));
    };
  }
}
