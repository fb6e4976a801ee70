import type { CallMember, InitiateCall } from '../../../protocol/calls.ts';
import { CommError } from '../../../protocol/errors.ts';
import type { ContactPolicy } from '../people/contact-policy.ts';
import type { Caller } from '../ports.ts';

/** Dependencies of {@link CallChecks}. */
export interface CallChecksDeps {
  contacts: Pick<ContactPolicy, 'require'>;
  /** Returns the members of a conversation. Rejects with `NOT_FOUND` if the user isn't one of them. */
  membersFor(userId: string, conversationId: string): Promise<readonly string[]>;
  /** Returns those of the users who have blocked the user. */
  blockersOf(userId: string, userIds: readonly string[]): Promise<ReadonlySet<string>>;
}

/** The callees of a call that may be started. */
export interface CheckedInitiation {
  /** Without the caller, without duplicates. */
  readonly calleeIds: readonly string[];
  /** Callees who have blocked the caller. */
  readonly silent: ReadonlySet<string>;
}

/** The checks of call requests that read the database or ask the app. */
export class CallChecks {
  readonly #deps: CallChecksDeps;

  constructor(deps: CallChecksDeps) {
    this.#deps = deps;
  }

  /** @throws CommError `INVALID`, `NOT_FOUND`, or the refusal of the app */
  async initiation(
    caller: Caller,
    { conversationId, calleeIds: asked }: Pick<InitiateCall, 'conversationId' | 'calleeIds'>,
  ): Promise<CheckedInitiation> {
    const { userId } = caller;
    const members = new Set(await this.#deps.membersFor(userId, conversationId));
    const calleeIds = [...new Set(asked)].filter((id) => id !== userId);
    await this.#deps.contacts.require(caller, calleeIds);
    const silent = await this.#deps.blockersOf(userId, calleeIds);
    if (calleeIds.length === 0) throw new CommError('INVALID', 'calleeIds must contain another user');
    if (!calleeIds.every((id) => members.has(id))) throw participantNotFound();
    return { calleeIds, silent };
  }

  /** @throws CommError `NOT_FOUND` if the user isn't a member */
  async membership(userId: string, conversationId: string): Promise<void> {
    await this.#deps.membersFor(userId, conversationId);
  }

  /**
   * @returns whether the invited user has blocked the caller
   * @throws CommError `NOT_FOUND`, or the refusal of the app
   */
  async invitation(caller: Caller, conversationId: string, { userId }: CallMember): Promise<boolean> {
    const members = await this.#deps.membersFor(caller.userId, conversationId);
    if (!members.includes(userId)) throw participantNotFound();
    await this.#deps.contacts.require(caller, [userId]);
    return (await this.#deps.blockersOf(caller.userId, [userId])).has(userId);
  }
}

/** Creates the error for a user who is not part of the call or conversation. */
export function participantNotFound(): CommError {
  return new CommError('NOT_FOUND', 'Participant not found');
}
