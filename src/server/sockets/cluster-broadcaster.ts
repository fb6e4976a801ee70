import { BoundedSet } from '../../lib/bounded-map.ts';
import type { Clock } from '../../lib/clock.ts';
import { errorFields, type Logger } from '../../lib/logger.ts';
import type { Capability } from '../../protocol/constants.ts';
import type { Push } from '../../protocol/events.ts';
import type { Bus } from '../cluster/bus.ts';
import type { Head } from '../../protocol/conversations.ts';
import type { PresenceUpdate } from '../../protocol/presence.ts';
import type { ProcessEvent, ProcessListener, PushOptions } from '../services/ports.ts';
import type { ServicesBroadcaster } from '../services/services.ts';
import type { ConnectedSocket, Missed, SocketBroadcaster } from './broadcaster.ts';
import { parseBusMessages, type BusMessage } from './bus-message.ts';
import { CheckedDeliveries } from './checked-deliveries.ts';
import { MembershipChecks } from './membership-checks.ts';
import { PresenceOrder } from './presence-order.ts';
import { SocketRefreshes } from './socket-refreshes.ts';

/** Size of the payloads in one message of the bus, unless one alone is larger. */
const MAX_CHARACTERS = 262_144;
/** Pushes to several conversations that were received last. */
const MAX_SEEN = 1_000;

const conversationChannel = (conversationId: string): string => `c:${conversationId}`;
const userChannel = (userId: string): string => `u:${userId}`;
const presenceChannel = (userId: string): string => `p:${userId}`;
/** Channel of the processes that have served a base client. */
const BASE_CHANNEL = 'b:';

/**
 * Time in ms that a new socket waits for its subscriptions. A client takes a server that doesn't greet it within a second for one
 * of LumenJS.
 */
const SUBSCRIBE_MS = 300;

/** The channel that feeds each kind of room; other rooms are parts of these. */
const CHANNEL_OF: Readonly<Record<string, (id: string) => string>> = {
  conv: conversationChannel,
  batch: conversationChannel,
  user: userChannel,
  presence: presenceChannel,
};

/** Dependencies of {@link ClusterBroadcaster}. */
export interface ClusterBroadcasterDeps {
  readonly newId: () => string;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Delivers pushes to the sockets of this process, and by the bus to those of the others. It subscribes to the channels of
 * conversations and users that have a socket in this process, so that the others cost it nothing. What is pushed to a channel in one
 * task, such as that of a commit, is one message.
 */
export class ClusterBroadcaster implements ServicesBroadcaster {
  readonly #local: SocketBroadcaster;
  readonly #bus: Bus;
  readonly #deps: ClusterBroadcasterDeps;
  /** By channel: the number of rooms in this process that it feeds. */
  readonly #rooms = new Map<string, number>();
  /** Subscriptions that are not active yet. */
  readonly #subscribing = new Map<string, Promise<void>>();
  /** By channel: the messages of this task, as JSON. */
  readonly #outgoing = new Map<string, { messages: string[]; characters: number }>();
  readonly #seen = new BoundedSet<string>(MAX_SEEN);
  /** Messages sent to and received from other processes, and channels on which some may have been lost. */
  readonly counts = { published: 0, received: 0, missed: 0 };
  readonly #presence = new PresenceOrder();
  readonly #deliveries: CheckedDeliveries;
  readonly #refreshes = new SocketRefreshes();
  readonly #memberships: MembershipChecks;
  /** Conversations whose rooms were entered before their channels were subscribed. */
  readonly #entered = new Set<string>();
  #listener: ProcessListener | undefined;

  constructor(local: SocketBroadcaster, bus: Bus, deps: ClusterBroadcasterDeps) {
    this.#deps = deps;
    this.#local = local;
    this.#bus = bus;
    const formerMembers = async (conversationId: string, userIds: readonly string[]): Promise<readonly string[]> =>
      (await this.#listener?.formerMembers(conversationId, userIds)) ?? [];
    const remove = (userId: string, conversationId: string): void => local.removeUser(userId, conversationId);
    this.#deliveries = new CheckedDeliveries({
      // While a socket waits for its refresh, it may still be in rooms of conversations that its user has lost.
      isTold: () => bus.connected && !this.#refreshes.isPending,
      usersIn: (conversationId) => local.usersIn(conversationId),
      formerMembers,
      report: (error) => deps.logger.error('failed to deliver a push', errorFields(error)),
      remove,
    });
    this.#memberships = new MembershipChecks({
      formerMembers,
      join: (userId, conversationId) => local.joinUser(userId, conversationId),
      remove,
      contradicted: (userIds) => this.#missed(userIds.map(userChannel)),
    });
    local.observeRooms({ opened: (room) => this.#opened(room), closed: (room) => this.#closed(room) });
    bus.listen({
      received: (channel, payload) => this.#receive(channel, payload),
      missed: (channels) => this.#missed(channels),
    });
  }

  /** Registers a socket. When it resolves, pushes of all processes reach the socket, as far as the bus answers. */
  async register(socket: ConnectedSocket, conversationIds: () => Promise<readonly string[]>): Promise<void> {
    if (!socket.caps.has('rev')) this.#subscribe(BASE_CHANNEL);
    // The user's channel first: it tells of conversations that the user gains while the list is read.
    await this.#local.register(socket, async () => {
      await this.#subscribing.get(userChannel(socket.userId));
      return await conversationIds();
    });
    await this.subscribed();
  }

  /** As {@link SocketBroadcaster.restore}. When it resolves, pushes of all processes reach the socket. */
  async restore(socketId: string, conversationIds: () => Promise<readonly string[]>): Promise<void> {
    await this.#local.restore(socketId, conversationIds);
    await this.subscribed();
  }

  onProcesses(listener: ProcessListener): void {
    this.#listener = listener;
  }

  subscribed(): Promise<void> | undefined {
    if (this.#subscribing.size === 0) return undefined;
    return Promise.all(this.#subscribing.values()).then(() => undefined);
  }

  unregister(socketId: string): void {
    this.#local.unregister(socketId);
  }

  onRemoval(listener: (userId: string, conversationId: string) => void): void {
    this.#local.onRemoval(listener);
  }

  get socketCount(): number {
    return this.#local.socketCount;
  }

  disconnectUser(userId: string): void {
    this.#local.disconnectUser(userId);
    this.#send(userChannel(userId), { to: 'disconnect' });
  }

  isConnected(socketId: string): boolean {
    return this.#local.isConnected(socketId);
  }

  socketsWith(userId: string, capability: Capability): readonly string[] {
    return this.#local.socketsWith(userId, capability);
  }

  toUser(userId: string, push: Push, options: PushOptions = {}): void {
    this.#deliveries.run(() => this.#local.toUser(userId, push, options));
    this.#send(userChannel(userId), { to: 'user', push, options });
  }

  toUserWith(userId: string, capability: Capability, push: Push): void {
    this.#deliveries.run(() => this.#local.toUserWith(userId, capability, push));
    this.#send(userChannel(userId), { to: 'user-with', capability, push });
  }

  toUsers(userIds: readonly string[], push: Push): void {
    this.#deliveries.run(() => this.#local.toUsers(userIds, push));
    const message = JSON.stringify({ to: 'user', push, options: {} } satisfies BusMessage);
    for (const userId of userIds) this.#queue(userChannel(userId), message);
  }

  toProfileSockets(userId: string, push: Push): void {
    this.#deliveries.run(() => this.#local.toProfileSockets(userId, push));
    this.#send(userChannel(userId), { to: 'profile-sockets', push });
  }

  toConversations(conversationIds: readonly string[], push: Push): void {
    this.#deliveries.run(() => this.#local.toConversations(conversationIds, push), conversationIds);
    const id = this.#deps.newId();
    const ids = [...conversationIds];
    const message = JSON.stringify({ to: 'conversations', id, conversationIds: ids, push } satisfies BusMessage);
    for (const conversationId of ids) this.#queue(conversationChannel(conversationId), message);
  }

  toConversation(conversationId: string, push: Push, options: PushOptions = {}): void {
    this.#deliveries.run(() => this.#local.toConversation(conversationId, push, options), [conversationId]);
    this.#send(conversationChannel(conversationId), { to: 'conversation', push, options });
  }

  presenceChanged(data: PresenceUpdate, version?: number): void {
    if (this.#presence.accept(data, version)) this.#local.presenceChanged(data);
    this.#send(presenceChannel(data.userId), { to: 'watchers', data, version });
    this.#send(userChannel(data.userId), { to: 'own-sockets', data, version });
    this.#send(BASE_CHANNEL, { to: 'base-sockets', data, version });
  }

  newestPresence(data: PresenceUpdate, version?: number): PresenceUpdate {
    return this.#presence.newest(data, version);
  }

  toProcessesOf(conversationId: string): void {
    this.#send(conversationChannel(conversationId), { to: 'running-call' });
  }

  toConversationHere(conversationId: string, push: Push): void {
    this.#deliveries.run(() => this.#local.toConversation(conversationId, push), [conversationId]);
  }

  toProcesses(userId: string, event: ProcessEvent): void {
    this.#send(userChannel(userId), { to: 'processes', event });
  }

  toSocket(socketId: string, push: Push, userId?: string): void {
    if (userId === undefined || this.#local.isConnected(socketId)) {
      this.#deliveries.run(() => this.#local.toSocket(socketId, push));
    } else this.#send(userChannel(userId), { to: 'socket', socketId, push });
  }

  joinUser(userId: string, conversationId: string, head?: Head): void {
    this.#deliveries.run(() => this.#join(userId, conversationId, head));
    this.#send(userChannel(userId), { to: 'join', conversationId, head });
  }

  removeUser(userId: string, conversationId: string): void {
    this.#deliveries.run(() => this.#local.removeUser(userId, conversationId));
    this.#send(userChannel(userId), { to: 'remove', conversationId });
    this.#send(presenceChannel(userId), { to: 'recheck-watches' });
  }

  joinSocket(socketId: string, conversationId: string): void {
    this.#local.joinSocket(socketId, conversationId);
  }

  leaveSocket(socketId: string, conversationId: string): void {
    this.#local.leaveSocket(socketId, conversationId);
  }

  baseReceivers(conversationId: string): readonly string[] {
    return this.#local.baseReceivers(conversationId);
  }

  baseSocketsIn(conversationIds: readonly string[]): ReadonlySet<string> {
    return this.#local.baseSocketsIn(conversationIds);
  }

  get hasBaseSockets(): boolean {
    return this.#local.hasBaseSockets;
  }

  watch(socketId: string, userIds: readonly string[]): void {
    this.#local.watch(socketId, userIds);
  }

  unwatch(socketId: string, userIds: readonly string[]): void {
    this.#local.unwatch(socketId, userIds);
  }

  #opened(room: string): void {
    const channel = channelOf(room);
    if (channel === undefined) return;
    const rooms = this.#rooms.get(channel) ?? 0;
    this.#rooms.set(channel, rooms + 1);
    if (rooms === 0) this.#subscribe(channel);
  }

  #subscribe(channel: string): void {
    const subscribing = this.#inTime(channel, this.#bus.subscribe(channel)).then(() => {
      if (this.#subscribing.get(channel) === subscribing) this.#subscribing.delete(channel);
    });
    this.#subscribing.set(channel, subscribing);
  }

  /** Resolves when a subscription is active, or takes too long: then what was pushed meanwhile counts as missed. */
  #inTime(channel: string, active: Promise<void>): Promise<void> {
    return new Promise((resolve) => {
      let isLate = false;
      const giveUp = (): void => {
        isLate = true;
        resolve();
      };
      const cancel = this.#deps.clock.after(SUBSCRIBE_MS, giveUp, true);
      void active.then(() => {
        cancel();
        // Without a connection, the bus itself says later what was missed.
        if (isLate && this.#bus.connected && this.#rooms.has(channel)) this.#missed([channel]);
        resolve();
      });
    });
  }

  #missed(channels: readonly string[]): void {
    this.counts.missed += channels.length;
    for (const socket of this.#local.reachedBy(missedOn(channels))) this.#refreshes.add(socket);
  }

  #closed(room: string): void {
    const channel = channelOf(room);
    const rooms = channel === undefined ? undefined : this.#rooms.get(channel);
    if (channel === undefined || rooms === undefined) return;
    if (rooms > 1) return void this.#rooms.set(channel, rooms - 1);
    this.#rooms.delete(channel);
    this.#bus.unsubscribe(channel);
  }

  #send(channel: string, message: BusMessage): void {
    this.#queue(channel, JSON.stringify(message));
  }

  /** Publishes at the end of the task. */
  #queue(channel: string, message: string): void {
    if (this.#outgoing.size === 0) queueMicrotask(() => this.#publish());
    const outgoing = this.#outgoing.get(channel) ?? { messages: [], characters: 0 };
    if (outgoing.characters + message.length > MAX_CHARACTERS && outgoing.messages.length > 0) {
      this.#publishTo(channel, outgoing.messages);
      outgoing.messages = [];
      outgoing.characters = 0;
    }
    outgoing.messages.push(message);
    outgoing.characters += message.length;
    this.#outgoing.set(channel, outgoing);
  }

  #publish(): void {
    for (const [channel, { messages }] of this.#outgoing) this.#publishTo(channel, messages);
    this.#outgoing.clear();
  }

  #publishTo(channel: string, messages: readonly string[]): void {
    this.counts.published += 1;
    this.#bus.publish(channel, `[${messages.join(',')}]`);
  }

  #receive(channel: string, payload: string): void {
    this.counts.received += 1;
    const id = channel.slice(2);
    for (const message of parseBusMessages(payload)) {
      this.#deliveries.run(() => this.#deliver(id, message), conversationsOf(id, message));
    }
  }

  /** @param id - of the conversation or user of the channel */
  #deliver(id: string, message: BusMessage): void {
    try {
      this.#dispatch(id, message);
    } catch (error) {
      // Otherwise a message of another version of this app could end the connection of the bus.
      const { to } = message;
      this.#deps.logger.error('failed to deliver a message of another process', { to, ...errorFields(error) });
    }
  }

  #dispatch(id: string, message: BusMessage): void {
    const local = this.#local;
    switch (message.to) {
      case 'conversation':
        local.toConversation(id, message.push, message.options);
        return this.#deliveredToBase(id, message.push);
      case 'conversations':
        if (this.#seen.has(message.id)) return;
        this.#seen.add(message.id);
        return local.toConversations(message.conversationIds, message.push);
      case 'user':
        local.toUser(id, message.push, message.options);
        return this.#rang(id, message.push);
      case 'user-with':
        local.toUserWith(id, message.capability, message.push);
        return this.#rang(id, message.push);
      case 'running-call':
        return this.#listener?.runningCallChanged(id);
      case 'profile-sockets':
        return local.toProfileSockets(id, message.push);
      case 'socket':
        return local.isConnected(message.socketId) ? local.toSocket(message.socketId, message.push) : undefined;
      case 'watchers':
        return this.#presence.accept(message.data, message.version) ? local.toWatchers(message.data) : undefined;
      case 'own-sockets':
        if (!this.#presence.accept(message.data, message.version)) return;
        return local.toUser(id, { event: 'presence:changed', data: message.data });
      case 'base-sockets':
        if (!this.#presence.accept(message.data, message.version)) return;
        return this.#listener?.presenceChanged(message.data);
      case 'processes':
        return this.#listener?.told(id, message.event);
      case 'recheck-watches':
        return this.#listener?.watchedLeft(id);
      case 'join':
        this.#join(id, message.conversationId, message.head);
        return this.#memberships.told(message.conversationId, id, true);
      case 'remove':
        local.removeUser(id, message.conversationId);
        return this.#memberships.told(message.conversationId, id, false);
      case 'disconnect':
        return local.disconnectUser(id);
    }
  }

  /** Enters the room. What is pushed to it before the channel is subscribed is read from the rows. */
  #join(userId: string, conversationId: string, head: Head | undefined): void {
    this.#local.joinUser(userId, conversationId);
    const subscribing = this.#subscribing.get(conversationChannel(conversationId));
    if (subscribing === undefined || head === undefined || this.#entered.has(conversationId)) return;
    this.#entered.add(conversationId);
    subscribing
      .then(async () => {
        for (const push of (await this.#listener?.changesSince(conversationId, head)) ?? []) {
          this.toConversationHere(conversationId, push);
        }
      })
      // The next push shows the gap to the clients.
      .catch(() => undefined)
      .finally(() => this.#entered.delete(conversationId));
  }

  #rang(userId: string, push: Push): void {
    if (push.event === 'call:incoming') this.#listener?.callRang(userId, push.data.id);
  }

  /** Base clients confirm nothing: what is pushed to them counts as delivered. */
  #deliveredToBase(conversationId: string, push: Push): void {
    if (push.event !== 'message:new' || !this.#local.hasBaseSockets) return;
    const { seq, senderId } = push.data;
    const userIds = this.#local.baseReceivers(conversationId).filter((userId) => userId !== senderId);
    if (seq !== undefined && Number.isSafeInteger(seq) && userIds.length > 0)
      this.#listener?.deliveredToBase(conversationId, userIds, seq);
  }
}

function channelOf(room: string): string | undefined {
  const colon = room.indexOf(':');
  return CHANNEL_OF[room.slice(0, colon)]?.(room.slice(colon + 1));
}

/** Returns the conversations whose rooms receive a message. @param id - of the conversation or user of the channel */
function conversationsOf(id: string, message: BusMessage): readonly string[] {
  if (message.to === 'conversation') return [id];
  return message.to === 'conversations' ? message.conversationIds : [];
}

function missedOn(channels: readonly string[]): Missed {
  const idsOf = (prefix: string): string[] =>
    channels.filter((channel) => channel.startsWith(prefix)).map((channel) => channel.slice(prefix.length));
  return { conversationIds: idsOf('c:'), userIds: idsOf('u:'), watchedIds: idsOf('p:') };
}
