import { abortable, type AbortOptions } from '../../lib/abort.ts';
import { BoundedMap, BoundedSet } from '../../lib/bounded-map.ts';
import { ObservableValue, type Observable } from '../../lib/observable.ts';
import { isRetryable, retry } from '../../lib/retry.ts';
import type { Participant } from '../../protocol/conversations.ts';
import { CommError } from '../../protocol/errors.ts';
import type { BlockUser, UpdateUser, User } from '../../protocol/users.ts';
import { fields } from '../../transport/fields.ts';
import { parseUser } from '../../transport/parse-rows.ts';
import { unreadable, type ClientContext } from '../context.ts';
import { requireBoolean, requireFields, requireId } from '../validation.ts';

/** Options of `users.search()`. */
export interface SearchUsersOptions extends AbortOptions {
  /** Number of users, at most 50. @defaultValue 20 */
  readonly limit?: number | undefined;
}

/** Users per `user:get`, the server's limit. */
const USERS_PER_REQUEST = 200;
/** Profiles that are kept. Those of watched users are kept besides. */
const MAX_KNOWN = 5_000;
/** Time of a profile that is known from a participant only. */
const UNKNOWN_TIME = new Date(0).toISOString();

type Users = ReadonlyMap<string, User>;

interface Follower {
  readonly ids: ReadonlySet<string>;
  readonly users: ObservableValue<Users>;
}

/** Holds profiles and the list of blocked users, and keeps both in step with the server. */
export class UserDirectory {
  readonly #context: ClientContext;
  readonly #participant: (userId: string) => Participant | undefined;
  readonly #known = new BoundedMap<string, User>(MAX_KNOWN);
  readonly #followers = new Set<Follower>();
  /** Users who were asked about on this connection. */
  readonly #asked = new BoundedSet<string>(MAX_KNOWN);
  /** Users who are asked about in the current microtask. */
  #batch: Set<string> | undefined;
  readonly #blocked: ObservableValue<ReadonlySet<string>>;
  /** The list of this connection; pushes keep it in step. */
  #blockedLoad: Promise<void> | undefined;
  /** Changes since the list was requested, which its answer may not contain; `undefined` while no request waits. */
  #blockedSince: BlockUser[] | undefined;
  /** Aborts when the connection is lost: the next one loads everything again. */
  #connection = new AbortController();

  /** @param participant - returns a participant of a loaded conversation */
  constructor(context: ClientContext, participant: (userId: string) => Participant | undefined) {
    this.#context = context;
    this.#participant = participant;
    this.#blocked = new ObservableValue<ReadonlySet<string>>(new Set(), context.report);
    context.emitter.on('status', (status) => {
      if (status === 'connected') this.#restore();
      else this.#connectionLost();
    });
  }

  /** Returns the blocked users, whose list is loaded in the background. */
  followBlocked(): Observable<ReadonlySet<string>> {
    this.#inBackground(() => this.loadBlocked());
    return this.#blocked;
  }

  get(userId: string): User | undefined {
    const known = this.#known.get(userId);
    if (known !== undefined) return known;
    const participant = this.#participant(userId);
    if (participant === undefined) return undefined;
    const { displayName, avatarUrl } = participant;
    const user: User = { id: userId, displayName, updatedAt: UNKNOWN_TIME };
    return Object.freeze(avatarUrl === undefined ? user : { ...user, avatarUrl });
  }

  /** Returns the profiles of users, which are kept up to date while there is a subscriber. */
  observe(userIds: readonly string[]): Observable<Users> {
    const ids = new Set(userIds);
    const known = (): Users => new Map(Array.from(ids, (id) => [id, this.get(id)] as const).filter(isKnown));
    const users = new ObservableValue(known(), this.#context.report);
    const follower: Follower = { ids, users };
    let subscribers = 0;
    return {
      getSnapshot: users.getSnapshot,
      getServerSnapshot: users.getServerSnapshot,
      subscribe: (listener) => {
        const stop = users.subscribe(listener);
        subscribers += 1;
        if (subscribers === 1) {
          users.set(known());
          this.#followers.add(follower);
          for (const id of ids) this.#request(id);
        }
        let isSubscribed = true;
        return () => {
          stop();
          if (!isSubscribed) return;
          isSubscribed = false;
          subscribers -= 1;
          if (subscribers === 0) this.#followers.delete(follower);
        };
      },
    };
  }

  async search(query: string, { limit, signal }: SearchUsersOptions = {}): Promise<readonly User[]> {
    requireId('query', query);
    await this.#require(signal);
    const answer = await this.#context.requester.request('user:search', { query, limit }, { signal });
    const users = usersOf(answer);
    for (const user of users) this.apply(user);
    return users;
  }

  async update(change: UpdateUser, options: AbortOptions = {}): Promise<User> {
    requireFields('users.update()', change, ['displayName', 'avatarUrl', 'metadata']);
    await this.#require(options.signal);
    const user = parseUser(await this.#context.requester.request('user:update', change, options));
    if (user === undefined) throw unreadable('user');
    this.apply(user);
    return user;
  }

  async block(userId: string, blocked: boolean, options: AbortOptions = {}): Promise<void> {
    requireId('userId', userId);
    requireBoolean('blocked', blocked);
    await this.#require(options.signal);
    await this.#context.requester.request('user:block', { userId, blocked }, options);
    this.applyBlock({ userId, blocked });
  }

  async blocked(options: AbortOptions = {}): Promise<readonly string[]> {
    await this.#require(options.signal);
    await abortable(this.loadBlocked(), options.signal);
    return [...this.#blocked.getSnapshot()];
  }

  /** Loads the list of blocked users, once per connection. */
  loadBlocked(): Promise<void> {
    this.#blockedLoad ??= this.#loadBlocked().catch((error: unknown) => {
      this.#blockedLoad = undefined;
      throw error;
    });
    return this.#blockedLoad;
  }

  /** Takes in a profile. An older one than the known one is ignored. */
  apply(user: User): void {
    const held = this.#known.get(user.id);
    if (held !== undefined && held.updatedAt > user.updatedAt) return;
    this.#take(user);
  }

  /** Takes in a block of this user, made on any device. */
  applyBlock(change: BlockUser): void {
    this.#blockedSince?.push(change);
    this.#setBlocked(this.#blocked.getSnapshot(), [change]);
  }

  /** Requests the profiles of watched users again: changes while the client was disconnected were missed. */
  #restore(): void {
    for (const { ids } of this.#followers) for (const id of ids) this.#request(id);
    if (this.#context.has('profiles')) this.#inBackground(() => this.loadBlocked());
  }

  /** Loads everything again, because pushes were lost. */
  refresh(): void {
    this.#connectionLost();
    this.#restore();
  }

  #connectionLost(): void {
    this.#connection.abort();
    this.#connection = new AbortController();
    this.#asked.clear();
    this.#blockedLoad = undefined;
  }

  /** Removes everything: another user has signed in. */
  forget(): void {
    this.#known.clear();
    this.#blocked.set(new Set());
    for (const { users } of this.#followers) users.set(new Map());
  }

  async #require(signal: AbortSignal | undefined): Promise<void> {
    await abortable(this.#context.whenConnected(signal), signal);
    if (!this.#context.has('profiles')) throw new CommError('UNSUPPORTED', 'The server has no profiles');
  }

  async #loadBlocked(): Promise<void> {
    const since: BlockUser[] = [];
    this.#blockedSince = since;
    try {
      const answer: unknown = await this.#context.requester.request('user:blocked', {});
      const listed = fields(answer)?.['userIds'];
      const ids = Array.isArray(listed) ? listed.filter((id) => typeof id === 'string') : [];
      this.#setBlocked(new Set(ids), since);
    } finally {
      if (this.#blockedSince === since) this.#blockedSince = undefined;
    }
  }

  /** Retries a request in the background until it succeeds or the connection is lost. Reports an error that is not retryable. */
  #inBackground(task: () => Promise<void>): void {
    const { signal } = this.#connection;
    const shouldRetry = (error: unknown): boolean => isRetryable(error) && !signal.aborted && this.#context.online();
    retry(task, this.#context, { signal, shouldRetry }).catch((error: unknown) => {
      if (!signal.aborted && !isRetryable(error)) this.#context.report(error);
    });
  }

  #setBlocked(from: ReadonlySet<string>, changes: readonly BlockUser[]): void {
    const next = new Set(from);
    for (const { userId, blocked } of changes) {
      if (blocked) next.add(userId);
      else next.delete(userId);
    }
    const held = this.#blocked.getSnapshot();
    if (next.size !== held.size || [...next].some((id) => !held.has(id))) this.#blocked.set(next);
  }

  /** Collects the users of one microtask into few requests. */
  #request(id: string): void {
    if (!this.#context.online() || !this.#context.has('profiles') || this.#asked.has(id)) return;
    this.#asked.add(id);
    if (this.#batch !== undefined) return void this.#batch.add(id);
    const ids = new Set([id]);
    this.#batch = ids;
    queueMicrotask(() => {
      this.#batch = undefined;
      this.#inBackground(() => this.#load([...ids]));
    });
  }

  async #load(ids: readonly string[]): Promise<void> {
    for (let at = 0; at < ids.length;) {
      const userIds = ids.slice(at, at + USERS_PER_REQUEST);
      const answer = await this.#context.requester.request('user:get', { userIds });
      const users = usersOf(answer);
      for (const user of users) this.apply(user);
      // A list that was cut is in the order of the request. The users behind its last one follow.
      const listed = fields(answer)?.['hasMore'] === true ? userIds.indexOf(users.at(-1)?.id ?? '') + 1 : 0;
      at += listed === 0 ? userIds.length : listed;
    }
  }

  #take(user: User): void {
    const frozen = Object.freeze(user);
    this.#known.set(user.id, frozen);
    for (const { ids, users } of this.#followers) {
      const held = users.getSnapshot();
      if (!ids.has(user.id) || JSON.stringify(held.get(user.id)) === JSON.stringify(frozen)) continue;
      users.set(new Map([...held, [user.id, frozen]]));
    }
  }
}

function usersOf(answer: unknown): User[] {
  const listed = fields(answer)?.['users'];
  return Array.isArray(listed) ? listed.map(parseUser).filter((user) => user !== undefined) : [];
}

function isKnown(entry: readonly [string, User | undefined]): entry is readonly [string, User] {
  return entry[1] !== undefined;
}
