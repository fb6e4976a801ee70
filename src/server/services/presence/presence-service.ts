import type { Clock } from '../../../lib/clock.ts';
import { errorFields, type Logger } from '../../../lib/logger.ts';
import type { PresenceUpdate, SetPresence, WatchPresence } from '../../../protocol/presence.ts';
import type { ResolvedConfig } from '../../config.ts';
import {
  whenKnown,
  type Awaitable,
  type DerivedPresence,
  type Device,
  type Ephemera,
  type LocalPresence,
} from '../../cluster/ephemera.ts';
import type { CommunicationStore } from '../../cluster/memory-ephemera.ts';
import { isUnavailable } from '../../store/engine/outages.ts';
import type { Store } from '../../store/store.ts';
import { userKey } from '../../store/write-keys.ts';
import {
  chosenStatusesOf,
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
import type { Caller, Broadcaster, ProcessBroadcaster } from '../ports.ts';
import type { Capability, PresenceStatus } from '../../../protocol/constants.ts';

/** The part of the broadcaster that presence uses. */
export interface PresenceBroadcaster
  extends WatchBroadcaster, ProcessBroadcaster, Pick<Broadcaster, 'subscribed' | 'toSocket'> {
  /**
   * Pushes to the sockets that watch the user, and to the user's own, in all processes.
   *
   * @param version - orders the changes that several processes make: an older one than the last is not delivered
   */
  presenceChanged(data: PresenceUpdate, version?: number): void;
  /** Returns the last presence of the user that was delivered in this process, if it is newer. */
  newestPresence(data: PresenceUpdate, version?: number): PresenceUpdate;
  /** Whether a base socket is in a room of this process. */
  readonly hasBaseSockets: boolean;
  /** Base sockets can't watch users. They receive the presence of members of their rooms. */
  baseSocketsIn(conversationIds: readonly string[]): ReadonlySet<string>;
  /** Returns the user's sockets in this process whose clients have a capability. */
  socketsWith(userId: string, capability: Capability): readonly string[];
}

/** Dependencies of {@link PresenceService}. */
export interface PresenceDeps {
  store: Store;
  /** Sockets of this process. */
  ephemera: CommunicationStore;
  /** Devices in all processes. */
  shared: Ephemera;
  broadcaster: PresenceBroadcaster;
  clock: Clock;
  config: Pick<ResolvedConfig, 'presenceGraceMs'>;
  contacts: Pick<ContactPolicy, 'filter'>;
  logger: Logger;
}

/** Users whose devices are told to the other processes in one step. */
const TOLD_TOGETHER = 500;

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
    deps.shared.listen({
      presenceChanged: (userId, presence) => this.#changedElsewhere(userId, presence),
      lost: (userIds) => {
        this.#tellAgain(userIds).catch(this.#logFailure('failed to tell the presence of users to other processes'));
      },
    });
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
    const isFresh = await this.#loadChoice(userId);
    void this.#publish(userId, { isFresh });
  }

  /**
   * Brings a connected device in step after this process may not have been told of changes: reads what the user has chosen, and
   * ends the watches, which the client requests again, because some of them may not be allowed any more.
   */
  async refresh({ userId, socketId }: Caller): Promise<void> {
    if (socketId !== undefined) this.#watches.removeAll(socketId);
    await this.#tellAgain([userId]);
  }

  /** Handles a disconnected device. After the last one, the user becomes offline when the grace period has passed. */
  disconnected({ socketId }: Caller): void {
    if (socketId === undefined) return;
    this.#watches.forget(socketId);
    const { ephemera, clock, config } = this.#deps;
    const userId = ephemera.unmapUserSocket(socketId);
    if (userId === undefined) return;
    if (ephemera.isUserOnline(userId)) {
      void this.#publish(userId);
      return;
    }
    const leftAt = new Date(clock.now()).toISOString();
    this.#graceTimers.set(userId, config.presenceGraceMs, () => this.#goOffline(userId, leftAt));
    void this.#publish(userId);
  }

  /** Sets the chosen status of the user (`chosen`, the default) or the status of the device. */
  async update({ userId, socketId }: Caller, { status, chosen = true }: SetPresence): Promise<PresenceUpdate> {
    const { ephemera, store, broadcaster } = this.#deps;
    if (chosen) {
      const choice = status === 'online' ? undefined : status;
      await store.write(() => storeChosenStatus(userId, choice), undefined, { keys: () => [userKey(userId)] });
      this.#choices.set(userId, choice);
      broadcaster.toProcesses(userId, { event: 'chosen', chosen: choice });
    }
    // A chosen status says nothing about the device, except that the user is active on it.
    if (socketId !== undefined) ephemera.setDeviceStatus(socketId, chosen ? 'online' : status);
    const published = this.#publish(userId, { isFresh: chosen });
    return toUpdate(userId, published instanceof Promise ? await published : published);
  }

  /** Applies a status that the user has chosen by another process. */
  chosenElsewhere(userId: string, chosen: PresenceStatus | undefined): void {
    if (this.#choices.has(userId)) this.#choices.set(userId, chosen);
  }

  /**
   * Returns the presence of contacts and subscribes the socket to their changes. Users who share no conversation with
   * the caller, and those whom the caller may not contact, are omitted.
   */
  async watch(caller: Caller, { userIds }: WatchPresence): Promise<PresenceUpdate[]> {
    const { store, ephemera, shared, broadcaster, contacts: policy } = this.#deps;
    const { userId, socketId } = caller;
    const asked = await policy.filter(caller, [...new Set(userIds)]);
    const lastSeen = await store.read(() => lastSeenOf(asked));
    const visible: string[] = [];
    const hidden = new Set<string>();
    await forEachContact(store, userId, asked, (ids, contacts, related) => {
      const watched = ids.filter((id) => id === userId || contacts.has(id));
      visible.push(...watched);
      for (const id of related) hidden.add(id);
      // The socket may have been closed in the meantime.
      const connected = socketId !== undefined && ephemera.getUserForSocket(socketId) === userId;
      if (connected) this.#watches.add(socketId, userId, watched, related);
    });
    // Read after the changes arrive, so that none falls in between.
    const subscribed = broadcaster.subscribed();
    if (subscribed !== undefined) await subscribed;
    const known = shared.presenceOf(visible.filter((id) => !hidden.has(id)));
    const presence = known instanceof Promise ? await known : known;
    return visible.map((id) => {
      if (hidden.has(id)) return { userId: id, status: 'offline' };
      const entry = presence.get(id);
      const update = toUpdate(id, {
        status: entry?.status ?? 'offline',
        lastSeen: entry?.lastSeen ?? lastSeen.get(id),
      });
      return broadcaster.newestPresence(update, entry?.version);
    });
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
    this.setHidden(one, other, isHidden);
    this.setHidden(other, one, isHidden);
    const { broadcaster } = this.#deps;
    broadcaster.toProcesses(one, { event: 'hidden', userId: other, isHidden });
    broadcaster.toProcesses(other, { event: 'hidden', userId: one, isHidden });
  }

  /** Hides the presence of a user from the watching sockets of another one in this process, or shows it again. */
  setHidden(watcherId: string, userId: string, isHidden: boolean): void {
    const { broadcaster, shared } = this.#deps;
    const sockets = this.#watches.setHidden(watcherId, userId, isHidden);
    if (sockets.length === 0) return;
    const push = (data: PresenceUpdate): void => {
      for (const socketId of sockets) broadcaster.toSocket(socketId, { event: 'presence:changed', data });
    };
    if (isHidden) return push({ userId, status: 'offline' });
    whenKnown(shared.presenceOf([userId]), (known) => {
      const entry = known.get(userId);
      push(broadcaster.newestPresence(toUpdate(userId, entry), entry?.version));
    });
  }

  /** Makes a user without a connected device offline at once, and stores nothing about it. For a user who is erased. */
  forget(userId: string): void {
    const { ephemera } = this.#deps;
    if (ephemera.isUserOnline(userId)) return;
    this.#graceTimers.cancel(userId);
    void this.#publish(userId);
    this.#choices.delete(userId);
  }

  /** Stops all timers. */
  close(): void {
    this.#graceTimers.clear();
  }

  /** @returns whether it was read */
  async #loadChoice(userId: string): Promise<boolean> {
    if (this.#choices.has(userId)) return false;
    let loading = this.#loading.get(userId);
    if (loading === undefined) {
      const read = this.#deps.store.read(() => storedPresence(userId));
      loading = read
        .then(({ chosen }) => void this.#choices.set(userId, chosen))
        .finally(() => this.#loading.delete(userId));
      this.#loading.set(userId, loading);
    }
    await loading;
    return true;
  }

  #goOffline(userId: string, leftAt: string): void {
    const published = this.#publish(userId, { at: leftAt });
    this.#choices.delete(userId);
    if (published !== undefined) whenKnown(published, (presence) => this.#storeLastSeen(userId, presence));
  }

  /** A user who appeared offline was last seen when that status was chosen, or before the connection. */
  #storeLastSeen(userId: string, { isConnected, lastSeen }: DerivedPresence): void {
    if (isConnected || lastSeen === undefined) return;
    const { store } = this.#deps;
    store
      .write(() => storeLastSeen(userId, lastSeen), undefined, { keys: () => [userKey(userId)] })
      .catch(this.#logFailure('failed to store the last-seen time'));
  }

  #publish(
    userId: string,
    options: Pick<LocalPresence, 'at' | 'isFresh'> = {},
  ): Awaitable<DerivedPresence> | undefined {
    if (!this.#choices.has(userId)) return undefined;
    const published = this.#deps.shared.setPresence(userId, {
      ...options,
      devices: this.#devicesOf(userId),
      isLeaving: this.#graceTimers.has(userId),
      chosen: this.#choices.get(userId),
    });
    whenKnown(published, (presence) => this.#push(userId, presence));
    return published;
  }

  #devicesOf(userId: string): readonly Device[] {
    const { ephemera, broadcaster } = this.#deps;
    const waiting = broadcaster.socketsWith(userId, 'call-waiting');
    return Array.from(ephemera.getDeviceStatuses(userId), ([socketId, status]) => {
      return { socketId, status, showsWaiting: waiting.includes(socketId) };
    });
  }

  #push(userId: string, presence: DerivedPresence): void {
    if (!presence.isChanged) return;
    const update = toUpdate(userId, presence);
    this.#deps.broadcaster.presenceChanged(update, presence.version);
    this.pushToBaseSockets(update);
  }

  #changedElsewhere(userId: string, presence: DerivedPresence): void {
    this.#push(userId, presence);
    this.#storeLastSeen(userId, presence);
  }

  /** Tells the other processes of the devices in this one, with what the users have chosen meanwhile. */
  async #tellAgain(userIds: readonly string[]): Promise<void> {
    for (let at = 0; at < userIds.length; at += TOLD_TOGETHER) {
      const told = userIds.slice(at, at + TOLD_TOGETHER).filter((id) => this.#choices.has(id));
      const chosen = await this.#deps.store.read(() => chosenStatusesOf(told));
      for (const userId of told) {
        if (!this.#choices.has(userId)) continue;
        this.#choices.set(userId, chosen.get(userId));
        void this.#publish(userId, { isFresh: true });
      }
    }
  }

  /** Pushes to the base sockets of this process in the user's conversations. */
  pushToBaseSockets(update: PresenceUpdate): void {
    if (!this.#deps.broadcaster.hasBaseSockets) return;
    this.#pushToBaseSockets(update).catch(this.#logFailure('failed to push presence to base clients'));
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

  #logFailure(what: string): (error: unknown) => void {
    return (error) => {
      if (!isUnavailable(error)) this.#deps.logger.error(what, errorFields(error));
    };
  }
}

function toUpdate(
  userId: string,
  { status, lastSeen }: { status: PresenceStatus; lastSeen?: string | undefined } = { status: 'offline' },
): PresenceUpdate {
  return { userId, status, ...(lastSeen !== undefined && { lastSeen }) };
}
