import type { Clock } from '../../../lib/clock.ts';
import { LIMITS } from '../../../protocol/limits.ts';
import { CommError } from '../../../protocol/errors.ts';
import {
  banUser,
  isUserBanned,
  unbanUser,
  userBanPage,
  type UserBan,
} from '../../store/queries/user-data/user-bans.ts';
import type { Store } from '../../store/store.ts';
import type { Work } from '../../store/engine/work.ts';
import type { Broadcaster } from '../ports.ts';
import { isoNow } from '../service-deps.ts';

/** Dependencies of {@link UserBans}. */
export interface UserBansDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly broadcaster: Pick<Broadcaster, 'toUser'> & {
    /** Ends the sockets of a user. */
    disconnectUser(userId: string): void;
  };
}

/** A page of bans, ordered by user id. */
export interface UserBanPage {
  readonly bans: readonly UserBan[];
  readonly hasMore: boolean;
}

/**
 * Users who are banned from the whole server: they can't connect and can't use REST. Bans are read from the database with each
 * connection and REST request, so that they also apply in a process that was not told to end the sockets of the user.
 */
export class UserBans {
  readonly #deps: UserBansDeps;

  constructor(deps: UserBansDeps) {
    this.#deps = deps;
  }

  /** Bans a user and ends their sockets. Idempotent; a new reason replaces the earlier one. */
  async ban(userId: string, reason?: string): Promise<void> {
    const { store, clock, broadcaster } = this.#deps;
    await store.write(
      () => banUser(userId, isoNow(clock), reason),
      () => {
        broadcaster.toUser(userId, { event: 'error', data: { ...BANNED } });
        broadcaster.disconnectUser(userId);
      },
    );
  }

  /** Lifts a ban. Idempotent. */
  async unban(userId: string): Promise<void> {
    await this.#deps.store.write(() => unbanUser(userId));
  }

  /** Returns whether a user is banned. */
  async isBanned(userId: string): Promise<boolean> {
    return await this.#deps.store.read(() => isUserBanned(userId));
  }

  /** Returns a page of the bans after a user id. */
  async page(after = '', limit: number = LIMITS.maxPageSize): Promise<UserBanPage> {
    const rows = Math.min(limit, LIMITS.maxPageSize);
    const found = await this.#deps.store.read(() => userBanPage(after, rows + 1));
    return { bans: found.slice(0, rows), hasMore: found.length > rows };
  }

  /** @throws CommError `FORBIDDEN` if the user is banned */
  async require(userId: string): Promise<void> {
    await this.#deps.store.read(() => requireNotBanned(userId));
  }
}

const BANNED = { code: 'FORBIDDEN', message: 'The user is banned', reason: 'user-banned' } as const;

/** @throws CommError `FORBIDDEN` if the user is banned from the server */
export function* requireNotBanned(userId: string): Work<void> {
  if (yield* isUserBanned(userId)) {
    throw new CommError(BANNED.code, BANNED.message, { reason: BANNED.reason });
  }
}
