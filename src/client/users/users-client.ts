import type { AbortOptions } from '../../lib/abort.ts';
import { lazyMethods, type Lazy } from '../../lib/lazy.ts';
import type { Observable } from '../../lib/observable.ts';
import type { UpdateUser, User } from '../../protocol/users.ts';
import type { ClientContext } from '../context.ts';
import { requireIds } from '../validation.ts';
import type { SearchUsersOptions, UserDirectory } from './user-directory.ts';

/** Profiles of users, and who is blocked. The code is loaded with the first use. */
export interface UsersClient {
  /** Returns a known profile: of a watched user, or as a loaded conversation lists the participant. */
  get(userId: string): User | undefined;
  /**
   * Returns the profiles of users by user id, kept up to date while there is a subscriber. Requests are combined. Users who
   * share no conversation with this user are missing, unless the app lets this user contact them.
   */
  watch(userIds: readonly string[]): Observable<ReadonlyMap<string, User>>;
  /**
   * Returns users with a word of the name, or of the id, that begins with each word of `query`.
   *
   * @throws CommError `UNSUPPORTED` unless the server enables the search
   */
  search(query: string, options?: SearchUsersOptions): Promise<readonly User[]>;
  /**
   * Changes this user's profile. Absent fields stay unchanged, `null` clears.
   *
   * @throws CommError `FORBIDDEN` if the app or the token is the source of profiles, `INVALID`
   */
  update(change: UpdateUser, options?: AbortOptions): Promise<User>;
  /** Blocks or unblocks a user on all devices. The user isn't told. Idempotent. */
  block(userId: string, blocked: boolean, options?: AbortOptions): Promise<void>;
  /** Returns the ids of the users whom this user has blocked. */
  blocked(options?: AbortOptions): Promise<readonly string[]>;
}

type Users = ReadonlyMap<string, User>;

const NO_USERS: Users = new Map();

/** Creates the part that apps call. */
export function createUsersClient(context: ClientContext, directory: Lazy<UserDirectory>): UsersClient {
  return Object.freeze({
    get: (userId: string) => directory.current?.get(userId),
    watch(userIds: readonly string[]) {
      requireIds('userIds', userIds);
      let source: Observable<Users> | undefined;
      return {
        getSnapshot: () => source?.getSnapshot() ?? NO_USERS,
        getServerSnapshot: () => NO_USERS,
        subscribe(listener: () => void) {
          let stop: (() => void) | undefined | null;
          directory()
            // If the chunk could not be fetched, it is loaded again once there is a connection.
            .catch(() => context.untilConnected(undefined).then(directory))
            .then((loaded) => {
              if (stop === null) return;
              source ??= loaded.observe(userIds);
              stop = source.subscribe(listener);
              listener();
            })
            .catch(context.report);
          return () => {
            stop?.();
            stop = null;
          };
        },
      };
    },
    ...lazyMethods(directory, ['search', 'update', 'block', 'blocked']),
  });
}
