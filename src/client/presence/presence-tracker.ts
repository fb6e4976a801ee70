import { abortable, type AbortOptions } from '../../lib/abort.ts';
import type { PresenceUpdate } from '../../protocol/presence.ts';
import type { ClientContext } from '../context.ts';
import { requireOneOf } from '../validation.ts';
import { PRESENCE_STATUSES, type PresenceStatus } from '../../protocol/constants.ts';

/** Number of users per `presence:watch` request; below the server's limit. */
const USERS_PER_REQUEST = 500;

/** Holds the presence of watched users and the status that this client publishes. */
export class PresenceTracker {
  readonly #context: ClientContext;
  readonly #known = new Map<string, PresenceUpdate>();
  readonly #watchers = new Map<string, number>();
  /** The status set by the app; `undefined` while presence is automatic. */
  #chosen: PresenceStatus | undefined;
  #idle = false;
  /** Users whose watch is requested in the current microtask. */
  #batch: Set<string> | undefined;

  constructor(context: ClientContext) {
    this.#context = context;
  }

  async set(status: PresenceStatus, options: AbortOptions = {}): Promise<void> {
    requireOneOf('status', PRESENCE_STATUSES, status);
    await abortable(this.#context.whenConnected(options.signal), options.signal);
    this.#chosen = status;
    await this.#context.requester.request('presence:update', { status }, options);
  }

  watch(userIds: readonly string[]): () => void {
    const ids = [...new Set(userIds)];
    for (const id of ids) {
      const count = this.#watchers.get(id) ?? 0;
      this.#watchers.set(id, count + 1);
      if (count === 0) this.#requestWatch(id);
    }
    let watching = true;
    return () => {
      if (!watching) return;
      watching = false;
      this.#unwatch(ids);
    };
  }

  get(userId: string): PresenceUpdate | undefined {
    return this.#known.get(userId);
  }

  /** Takes in a pushed or requested update. Returns true if it changed anything that listeners should hear of. */
  apply(update: PresenceUpdate): boolean {
    const held = this.#known.get(update.userId);
    if (held?.status === update.status && held.lastSeen === update.lastSeen) return false;
    if (this.#watchers.has(update.userId) || !this.#context.has('presence-watch')) {
      this.#known.set(update.userId, Object.freeze(update));
    }
    return true;
  }

  /** Publishes the status and requests all watches again; the server keeps neither over a reconnect. */
  async restore(): Promise<void> {
    if (this.#chosen !== undefined) this.#publish(this.#chosen, true);
    else if (this.#idle) this.#publish('away', false);
    await this.#watch([...this.#watchers.keys()]);
  }

  /** Publishes `away` when the page has had no input for a while and `online` at the next input, unless a status is set. */
  idle(isIdle: boolean): void {
    this.#idle = isIdle;
    const isAutomatic = this.#chosen === undefined || this.#chosen === 'online';
    if (isAutomatic && this.#context.online()) this.#publish(isIdle ? 'away' : 'online', false);
  }

  #publish(status: PresenceStatus, chosen: boolean): void {
    this.#context.requester.request('presence:update', chosen ? { status } : { status, chosen }).catch(() => undefined);
  }

  /** Collects the users watched in one microtask into one request. */
  #requestWatch(id: string): void {
    if (!this.#context.online()) return;
    if (this.#batch !== undefined) return void this.#batch.add(id);
    const ids = new Set([id]);
    this.#batch = ids;
    queueMicrotask(() => {
      this.#batch = undefined;
      this.#watch([...ids]).catch(this.#context.report);
    });
  }

  async #watch(userIds: readonly string[]): Promise<void> {
    if (!this.#context.has('presence-watch')) return;
    for (const batch of batches(userIds)) {
      const updates = await this.#context.requester.request('presence:watch', { userIds: batch });
      // Already loaded when the first response arrives, so no push is handled before this response.
      const { parsePresence } = await this.#context.rows();
      for (const each of Array.isArray(updates) ? updates : []) {
        const update = parsePresence(each);
        if (update !== undefined && this.apply(update)) this.#context.emitter.emit('presence:changed', update);
      }
    }
  }

  #unwatch(ids: readonly string[]): void {
    const unwatched: string[] = [];
    for (const id of ids) {
      const count = (this.#watchers.get(id) ?? 1) - 1;
      if (count > 0) {
        this.#watchers.set(id, count);
        continue;
      }
      this.#watchers.delete(id);
      this.#known.delete(id);
      unwatched.push(id);
    }
    if (unwatched.length === 0 || !this.#context.online() || !this.#context.has('presence-watch')) return;
    for (const userIds of batches(unwatched)) {
      this.#context.requester.request('presence:unwatch', { userIds }).catch(() => undefined);
    }
  }
}

function* batches(ids: readonly string[]): Generator<readonly string[]> {
  for (let at = 0; at < ids.length; at += USERS_PER_REQUEST) yield ids.slice(at, at + USERS_PER_REQUEST);
}
