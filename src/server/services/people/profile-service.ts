import * as v from 'valibot';
import { BoundedMap } from '../../../lib/bounded-map.ts';
import type { Clock } from '../../../lib/clock.ts';
import { KeyedWindow } from '../../../lib/keyed-window.ts';
import { errorFields, type Logger } from '../../../lib/logger.ts';
import { CommError } from '../../../protocol/errors.ts';
import type { Push } from '../../../protocol/events.ts';
import {
  avatarUrlSchema,
  displayNameSchema,
  userMetadataSchema,
  type GetUsers,
  type SearchUsers,
  type UpdateUser,
  type User,
  type UserList,
} from '../../../protocol/users.ts';
import type { ResolvedConfig } from '../../config.ts';
import type { ServerHooks } from '../../hooks.ts';
import {
  changeProfiles,
  findProfiles,
  profilesOf,
  usersOf,
  type ProfileChange,
  type ProfileFields,
  type ProfileSource,
} from '../../store/queries/people/profiles.ts';
import { conversationIdsOf } from '../../store/queries/users.ts';
import type { Work } from '../../store/engine/work.ts';
import type { Store } from '../../store/store.ts';
import { askHook } from '../ask-hook.ts';
import { forbidden, notFound } from '../errors.ts';
import type { ServerLimits } from '../limits/server-limits.ts';
import type { UserBudgets } from '../limits/user-budgets.ts';
import type { Caller } from '../ports.ts';
import { forEachContact } from '../presence/contacts.ts';
import { isoNow } from '../service-deps.ts';
import type { ContactPolicy } from './contact-policy.ts';

const HOOK_TIMEOUT_MS = 2_000;
/** Time in ms after which the hook is asked about a user again, without a request waiting for it. */
const REFRESH_MS = 60_000;
/** Time in ms for which a hook that failed is not asked. */
const PAUSE_MS = 10_000;
/** Users of whom it is remembered when the hook was asked about them. */
const MAX_REMEMBERED = 50_000;
/** Users in one call of the hook. */
const MAX_ASKED = 500;
/** Profiles that are read or stored in one turn of the event loop. Each can have 4 KiB of metadata, which is validated. */
const PROFILES_PER_TURN = 25;
/** Users about whom one request asks the hook. */
const MAX_RESOLVED = 5_000;
/** Entries of an answer that are looked at, for each user asked about. */
const MAX_ENTRIES_PER_USER = 2;
/** Time in ms in which the changes of one profile are pushed as one. */
const PUSH_INTERVAL_MS = 1_000;
/** Conversations to which a profile is pushed in one turn of the event loop. */
const CONVERSATIONS_PER_TURN = 50;
/** What a change of a profile costs for each of the user's conversations, in units of a small request. */
const WORK_PER_CONVERSATION = 0.2;

/** The part of the broadcaster that profiles use. */
export interface ProfileBroadcaster {
  /** Pushes to the user's sockets with the capability `profiles`. */
  toProfileSockets(userId: string, push: Push): void;
  /** Pushes to the sockets in several rooms, each once, except those of base clients. */
  toConversations(conversationIds: readonly string[], push: Push): void;
}

/** Dependencies of {@link ProfileService}. */
export interface ProfileServiceDeps {
  readonly store: Store;
  readonly broadcaster: ProfileBroadcaster;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly config: Pick<ResolvedConfig, 'userSearch'>;
  readonly limits: Pick<ServerLimits, 'socketAnswerBytes'>;
  readonly budgets: Pick<UserBudgets, 'chargeRequest' | 'chargeSearch'>;
  readonly contacts: ContactPolicy;
  /** Read with each use, because the app may set them later. */
  readonly hooks: Readonly<ServerHooks>;
}

/**
 * Profiles of users. The fields of each source are stored: the answers of the hook `resolveUsers`, what the user or the app has
 * stored, and the claims of the user's tokens. So every answer and push has the names at hand, and a hook that hangs holds up
 * no request whose users are known.
 */
export class ProfileService {
  readonly #deps: ProfileServiceDeps;
  /** When the hook was asked about a user, in ms since the epoch. */
  readonly #askedAt = new BoundedMap<string, number>(MAX_REMEMBERED);
  /** Claims that were stored by this process, as JSON. */
  readonly #claims = new BoundedMap<string, string>(MAX_REMEMBERED);
  /** Users about whom the hook is asked in the next turn, and who is being asked about. */
  #waiting = new Set<string>();
  readonly #asking = new Map<string, Promise<boolean>>();
  #nextCall: Promise<boolean> | undefined;
  #pausedUntil = 0;
  /** Whether the last call of the hook failed. Then no request waits for the next one. */
  #failing = false;
  readonly #pushes: KeyedWindow<User>;
  #closed = false;

  constructor(deps: ProfileServiceDeps) {
    this.#deps = deps;
    this.#pushes = new KeyedWindow(deps.clock, PUSH_INTERVAL_MS, (userId, users) => {
      const user = users.at(-1);
      if (user !== undefined) void this.#push(userId, user);
    });
  }

  /**
   * Returns the profiles of the caller, of users who share a conversation, and of those whom `mayContact` allows, up to the
   * limit on the size of an answer.
   */
  async get(caller: Caller, { userIds }: GetUsers): Promise<UserList> {
    const { store, contacts: policy } = this.#deps;
    const asked = [...new Set(userIds)];
    const visible = new Set<string>();
    await forEachContact(store, caller.userId, asked, (ids, contacts) => {
      for (const id of ids) if (id === caller.userId || contacts.has(id)) visible.add(id);
    });
    const strangers = asked.filter((id) => !visible.has(id));
    if (policy.isSet && strangers.length > 0) {
      this.#deps.budgets.chargeRequest(caller, strangers.length);
      for (const id of await policy.filter(caller, strangers)) visible.add(id);
    }
    return await this.#list(asked.filter((id) => visible.has(id)));
  }

  /** Returns the profile of one user. @throws CommError `NOT_FOUND` */
  async getOne(caller: Caller, userId: string): Promise<User> {
    const { users } = await this.get(caller, { userIds: [userId] });
    const [user] = users;
    if (user === undefined) throw notFound();
    return user;
  }

  /**
   * Returns stored users for each word of the query with a word of the name, or of the id, that begins with it.
   *
   * @throws CommError `UNSUPPORTED` unless the server enables it, `RATE_LIMITED`
   */
  async search(caller: Caller, { query, limit = 20 }: SearchUsers): Promise<UserList> {
    const { store, config, contacts: policy, budgets } = this.#deps;
    if (!config.userSearch) throw new CommError('UNSUPPORTED', 'The search for users is disabled');
    budgets.chargeSearch(caller);
    const found = await store.read(() => findProfiles(query, limit));
    const others = found.filter((id) => id !== caller.userId);
    return await this.#list(policy.isSet ? await policy.filter(caller, others) : others);
  }

  /**
   * Changes the caller's profile.
   *
   * @throws CommError `FORBIDDEN` where the hook or the user's token is the source of profiles
   */
  async update(caller: Caller, change: UpdateUser): Promise<User> {
    const { store, hooks, budgets } = this.#deps;
    const { userId } = caller;
    if (hooks.resolveUsers !== undefined) throw forbidden('Profiles are managed by the app');
    const conversations = (await store.read(() => conversationIdsOf(userId))).length;
    budgets.chargeRequest(caller, conversations * WORK_PER_CONVERSATION);
    await this.#store('stored', new Map([[userId, change]]), function* (): Work<void> {
      const profile = (yield* profilesOf([userId])).get(userId);
      if (profile?.sources.claims !== undefined) throw forbidden('The profile is that of your account');
    });
    return await this.#one(userId);
  }

  /** Changes the stored profile of a user, for the app itself. The hook keeps its precedence. */
  async upsert(userId: string, change: ProfileChange): Promise<User> {
    await this.#store('stored', new Map([[userId, change]]));
    return await this.#one(userId);
  }

  /** Stores the name and picture that the user's token claims. `undefined`: it has none. Never rejects. */
  async claimed(userId: string, claims: ProfileFields | undefined): Promise<void> {
    const fields = claims && validFields(claims);
    const json = JSON.stringify(fields ?? null);
    if (this.#claims.get(userId) === json) return;
    try {
      const known = await this.#deps.store.read(() => profilesOf([userId]));
      const before = known.get(userId)?.sources.claims;
      if (JSON.stringify(before ?? null) !== json) {
        await this.#store('claims', new Map([[userId, fields && replacing(fields)]]));
      }
      this.#claims.set(userId, json);
    } catch (error) {
      this.#deps.logger.warn('failed to store the profile of a token', errorFields(error));
    }
  }

  /**
   * Asks the hook `resolveUsers` about users of whom it was not asked before, and waits for at most 2 s. Users who were asked
   * about a while ago are refreshed later. Never rejects.
   *
   * @returns whether profiles have changed, so that what was read before has to be read again
   */
  async resolve(userIds: readonly string[]): Promise<boolean> {
    const { hooks, clock } = this.#deps;
    if (hooks.resolveUsers === undefined || clock.now() < this.#pausedUntil || this.#closed) return false;
    const waits = new Set<Promise<boolean>>();
    for (const id of userIds.slice(0, MAX_RESOLVED)) {
      const askedAt = this.#askedAt.get(id);
      if (askedAt !== undefined && clock.now() - askedAt < REFRESH_MS) continue;
      const answer = this.#ask(id);
      if (askedAt === undefined && !this.#failing) waits.add(answer);
    }
    const changed = await Promise.all(waits);
    return changed.includes(true);
  }

  /** Forgets what this process remembers about a user whose profile was deleted. */
  forget(userId: string): void {
    this.#askedAt.delete(userId);
    this.#claims.delete(userId);
  }

  /** Stops all timers. */
  close(): void {
    this.#closed = true;
    this.#pushes.clear();
  }

  /** Users who are asked about in the same turn are asked about in one call. */
  #ask(userId: string): Promise<boolean> {
    const running = this.#asking.get(userId);
    if (running !== undefined) return running;
    this.#waiting.add(userId);
    this.#nextCall ??= this.#askNext();
    this.#asking.set(userId, this.#nextCall);
    return this.#nextCall;
  }

  async #askNext(): Promise<boolean> {
    await nextTurn();
    this.#nextCall = undefined;
    const userIds = [...this.#waiting];
    this.#waiting = new Set();
    const calls: Promise<boolean>[] = [];
    for (let at = 0; at < userIds.length; at += MAX_ASKED)
      calls.push(this.#callHook(userIds.slice(at, at + MAX_ASKED)));
    const changed = await Promise.all(calls);
    for (const id of userIds) this.#asking.delete(id);
    return changed.includes(true);
  }

  async #callHook(userIds: readonly string[]): Promise<boolean> {
    const { hooks, clock, logger } = this.#deps;
    const { resolveUsers } = hooks;
    if (resolveUsers === undefined) return false;
    try {
      const call = { name: 'resolveUsers', timeoutMs: HOOK_TIMEOUT_MS, clock, logger } as const;
      const answer: unknown = await askHook(call, () => resolveUsers(userIds));
      const profiles = [...this.#parseAnswer(userIds, answer)];
      let changed = false;
      for (let at = 0; at < profiles.length; at += PROFILES_PER_TURN) {
        if (at > 0) await nextTurn();
        changed = (await this.#store('hook', new Map(profiles.slice(at, at + PROFILES_PER_TURN)))) || changed;
      }
      for (const id of userIds) this.#askedAt.set(id, clock.now());
      this.#failing = false;
      return changed;
    } catch {
      // Logged by `askHook`, or an outage of the database. Requests are answered from the other sources.
      this.#failing = true;
      this.#pausedUntil = clock.now() + PAUSE_MS;
      return false;
    }
  }

  /** Users who aren't in the answer have no profile of the hook. Malformed entries and fields are skipped. */
  #parseAnswer(userIds: readonly string[], answer: unknown): Map<string, ProfileChange | undefined> {
    const profiles = new Map<string, ProfileChange | undefined>(userIds.map((id) => [id, undefined]));
    if (!Array.isArray(answer)) {
      this.#deps.logger.error('the hook resolveUsers must return a list of users');
      return profiles;
    }
    for (const entry of answer.slice(0, userIds.length * MAX_ENTRIES_PER_USER) as unknown[]) {
      if (typeof entry !== 'object' || entry === null) continue;
      const { id } = entry as { id?: unknown };
      if (typeof id === 'string' && profiles.has(id)) profiles.set(id, replacing(validFields(entry)));
    }
    return profiles;
  }

  async #one(userId: string): Promise<User> {
    const { users } = await this.#list([userId]);
    const [user] = users;
    if (user === undefined) throw notFound();
    return user;
  }

  /** Returns profiles up to the limit on the size of an answer, and at least one. */
  async #list(userIds: readonly string[]): Promise<UserList> {
    if (userIds.length === 0) return { users: [] };
    const { store, limits } = this.#deps;
    await this.resolve(userIds);
    const users: User[] = [];
    let bytes = 0;
    for (let at = 0; at < userIds.length; at += PROFILES_PER_TURN) {
      if (at > 0) await nextTurn();
      const ids = userIds.slice(at, at + PROFILES_PER_TURN);
      for (const user of await store.read(() => usersOf(ids))) {
        bytes += Buffer.byteLength(JSON.stringify(user));
        if (bytes > limits.socketAnswerBytes && users.length > 0) return { users, hasMore: true };
        users.push(user);
      }
    }
    return { users };
  }

  /** Returns whether a profile is shown differently now. */
  async #store(
    source: ProfileSource,
    changes: ReadonlyMap<string, ProfileChange | undefined>,
    check?: () => Work<void>,
  ): Promise<boolean> {
    const { store, clock, hooks } = this.#deps;
    // What a hook answered that the app has removed since must not hide later changes.
    const keepsHook = source === 'hook' || hooks.resolveUsers !== undefined;
    const changed = await store.write(
      function* () {
        if (check !== undefined) yield* check();
        return yield* changeProfiles(source, changes, isoNow(clock), keepsHook);
      },
      (users) => {
        if (!this.#closed) for (const user of users) this.#pushes.add(user.id, [user]);
      },
      { rows: () => changes.size },
    );
    return changed.length > 0;
  }

  /** Pushes a profile to the user and to all who share a conversation. */
  async #push(userId: string, user: User): Promise<void> {
    const { store, broadcaster, logger } = this.#deps;
    const push: Push = { event: 'user:updated', data: user };
    try {
      broadcaster.toProfileSockets(userId, push);
      const ids = await store.read(() => conversationIdsOf(userId));
      for (let at = 0; at < ids.length && !this.#closed; at += CONVERSATIONS_PER_TURN) {
        if (at > 0) await nextTurn();
        broadcaster.toConversations(ids.slice(at, at + CONVERSATIONS_PER_TURN), push);
      }
    } catch (error) {
      logger.warn('failed to push a profile', errorFields(error));
    }
  }
}

/** Returns the fields that are valid. */
function validFields(fields: object): ProfileFields {
  const { displayName, avatarUrl, metadata } = fields as Readonly<Record<string, unknown>>;
  const name = v.safeParse(displayNameSchema, displayName);
  const url = v.safeParse(avatarUrlSchema, avatarUrl);
  const data = v.safeParse(userMetadataSchema, metadata);
  return {
    ...(name.success && { displayName: name.output }),
    ...(url.success && { avatarUrl: url.output }),
    ...(data.success && { metadata: data.output }),
  };
}

/** Returns a change that removes the fields that are absent. */
function replacing({ displayName, avatarUrl, metadata }: ProfileFields): ProfileChange {
  return { displayName: displayName ?? null, avatarUrl: avatarUrl ?? null, metadata: metadata ?? null };
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
