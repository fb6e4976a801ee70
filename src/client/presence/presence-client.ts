import { abortable, type AbortOptions } from '../../lib/abort.ts';
import { type PresenceUpdate } from '../../protocol/presence.ts';
import { requireIds, type ClientContext } from '../context.ts';
import { PRESENCE_STATUSES, type PresenceStatus } from '../../protocol/vocabulary.ts';

/** Fewer than a request may name. */
const WATCHED_AT_ONCE = 500;

/** Who is there. */
export class PresenceClient {
  readonly #context: ClientContext;
  readonly #known = new Map<string, PresenceUpdate>();
  readonly #watched = new Map<string, number>();
  #chosen: PresenceStatus | undefined;
  #idle = false;
  #asking: Set<string> | undefined;

  /** @internal */
  constructor(context: ClientContext) {
    this.#context = context;
  }

  /** Holds on all devices of the user until they choose another; `online` ends the choice, `offline` appears offline. */
  async set(status: PresenceStatus, options: AbortOptions = {}): Promise<void> {
    if (!PRESENCE_STATUSES.includes(status))
      throw new TypeError(`status must be one of ${PRESENCE_STATUSES.join(', ')}`);
    await abortable(this.#context.whenConnected(options.signal), options.signal);
    this.#chosen = status;
    await this.#context.requester.request('presence:update', { status }, options);
  }

  /**
   * Keeps the presence of these people up to date, in `get()` and by `presence:changed`, until the returned function is
   * called. Watchers are counted. People who share no conversation with the user stay unknown.
   */
  watch(userIds: readonly string[]): () => void {
    requireIds('userIds', userIds);
    const ids = [...new Set(userIds)];
    for (const id of ids) {
      const count = this.#watched.get(id) ?? 0;
      this.#watched.set(id, count + 1);
      if (count === 0) this.#ask(id);
    }
    let watching = true;
    return () => {
      if (!watching) return;
      watching = false;
      this.#unwatch(ids);
    };
  }

  /** What is known of a watched person. */
  get(userId: string): PresenceUpdate | undefined {
    return this.#known.get(userId);
  }

  /** @internal True when somebody is to be told. */
  apply(update: PresenceUpdate): boolean {
    const held = this.#known.get(update.userId);
    if (held?.status === update.status && held.lastSeen === update.lastSeen) return false;
    if (this.#watched.has(update.userId) || !this.#context.has('presence-watch')) {
      this.#known.set(update.userId, Object.freeze(update));
    }
    return true;
  }

  /** @internal After every connect: the server has forgotten who is watched. */
  async restore(): Promise<void> {
    if (this.#chosen !== undefined) this.#tell(this.#chosen, true);
    else if (this.#idle) this.#tell('away', false);
    await this.#watch([...this.#watched.keys()]);
  }

  /** @internal No input for a while, or input again; a chosen status stays. */
  idle(isIdle: boolean): void {
    this.#idle = isIdle;
    const isFree = this.#chosen === undefined || this.#chosen === 'online';
    if (isFree && this.#context.online()) this.#tell(isIdle ? 'away' : 'online', false);
  }

  #tell(status: PresenceStatus, chosen: boolean): void {
    this.#context.requester.request('presence:update', chosen ? { status } : { status, chosen }).catch(() => undefined);
  }

  /** Whoever is watched in the same turn is asked for together. */
  #ask(id: string): void {
    if (!this.#context.online()) return;
    if (this.#asking !== undefined) return void this.#asking.add(id);
    const ids = new Set([id]);
    this.#asking = ids;
    queueMicrotask(() => {
      this.#asking = undefined;
      this.#watch([...ids]).catch(this.#context.report);
    });
  }

  async #watch(userIds: readonly string[]): Promise<void> {
    if (!this.#context.has('presence-watch')) return;
    for (const group of inGroups(userIds)) {
      const updates = await this.#context.requester.request('presence:watch', { userIds: group });
      // Loaded long before anything is answered, so that no push comes between.
      const { readPresence } = await this.#context.rows();
      for (const each of Array.isArray(updates) ? updates : []) {
        const update = readPresence(each);
        if (update !== undefined && this.apply(update)) this.#context.emitter.emit('presence:changed', update);
      }
    }
  }

  #unwatch(ids: readonly string[]): void {
    const unwatched: string[] = [];
    for (const id of ids) {
      const count = (this.#watched.get(id) ?? 1) - 1;
      if (count > 0) {
        this.#watched.set(id, count);
        continue;
      }
      this.#watched.delete(id);
      this.#known.delete(id);
      unwatched.push(id);
    }
    if (unwatched.length === 0 || !this.#context.online() || !this.#context.has('presence-watch')) return;
    for (const userIds of inGroups(unwatched)) {
      this.#context.requester.request('presence:unwatch', { userIds }).catch(() => undefined);
    }
  }
}

function* inGroups(ids: readonly string[]): Generator<readonly string[]> {
  for (let at = 0; at < ids.length; at += WATCHED_AT_ONCE) yield ids.slice(at, at + WATCHED_AT_ONCE);
}
