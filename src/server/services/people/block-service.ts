import type { Clock } from '../../../lib/clock.ts';
import type { BlockedUsers, BlockUser } from '../../../protocol/users.ts';
import type { Push } from '../../../protocol/events.ts';
import { LIMITS } from '../../../protocol/limits.ts';
import { addBlock, blockedBy, blockersAmong, hasBlocked, removeBlock } from '../../store/queries/people/blocks.ts';
import type { Work } from '../../store/engine/work.ts';
import type { Store } from '../../store/store.ts';
import { conflict, invalid, mayNotContact } from '../errors.ts';
import type { Caller } from '../ports.ts';
import { isoNow } from '../service-deps.ts';

/** Dependencies of {@link BlockService}. */
export interface BlockServiceDeps {
  readonly store: Store;
  readonly broadcaster: { toProfileSockets(userId: string, push: Push): void };
  readonly clock: Clock;
  /** Called after each change, in the turn of its commit: whether either of the users blocks the other now. */
  readonly changed: (one: string, other: string, isHidden: boolean) => void;
}

/** Blocks between users. Only the user who blocks is told of it. */
export class BlockService {
  readonly #deps: BlockServiceDeps;

  constructor(deps: BlockServiceDeps) {
    this.#deps = deps;
  }

  /**
   * Blocks or unblocks a user, who needn't exist. Idempotent.
   *
   * @throws CommError `INVALID` for the caller, `CONFLICT` if the caller blocks too many users
   */
  async set({ userId }: Caller, { userId: otherId, blocked }: BlockUser): Promise<null> {
    const { store, broadcaster, clock, changed } = this.#deps;
    if (userId === otherId) throw invalid('userId must not be your own');
    const work = function* (): Work<{ changed: boolean; isHidden: boolean }> {
      const isBlocked = yield* hasBlocked(userId, otherId);
      if (blocked && !isBlocked && (yield* blockedBy(userId)).length >= LIMITS.blockedUsers) {
        throw conflict(`At most ${LIMITS.blockedUsers} users can be blocked`);
      }
      if (blocked !== isBlocked) {
        yield* blocked ? addBlock(userId, otherId, isoNow(clock)) : removeBlock(userId, otherId);
      }
      return { changed: blocked !== isBlocked, isHidden: blocked || (yield* hasBlocked(otherId, userId)) };
    };
    await store.write(work, (outcome) => {
      if (!outcome.changed) return;
      changed(userId, otherId, outcome.isHidden);
      broadcaster.toProfileSockets(userId, { event: 'user:block-changed', data: { userId: otherId, blocked } });
    });
    return null;
  }

  /** Returns the users whom the caller has blocked. */
  async list({ userId }: Caller): Promise<BlockedUsers> {
    return { userIds: await this.#deps.store.read(() => blockedBy(userId)) };
  }

  /** Returns those of the users who have blocked the user. */
  async blockersOf(userId: string, userIds: readonly string[]): Promise<ReadonlySet<string>> {
    return await this.#deps.store.read(() => blockersAmong(userIds, userId));
  }
}

/**
 * Requires that none of the users has blocked the caller. The error is that of `mayContact`, so that it doesn't give the
 * reason.
 *
 * @throws CommError `FORBIDDEN`
 */
export function* requireUnblocked(userId: string, userIds: readonly string[]): Work<void> {
  if ((yield* blockersAmong(userIds, userId)).size > 0) throw mayNotContact();
}
