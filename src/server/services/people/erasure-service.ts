import type { EncryptedEnvelope } from '../../../protocol/encryption.ts';
import type { Message } from '../../../protocol/messages.ts';
import { CAPABILITIES } from '../../../protocol/constants.ts';
import { isCommError } from '../../../protocol/errors.ts';
import { takeRev } from '../../store/queries/counters.ts';
import { reactionsChanged } from '../../store/queries/message-changes.ts';
import { mapMessage } from '../../store/queries/message-mapper.ts';
import { parseReactionEnvelopes, wireId } from '../../store/queries/rows.ts';
import {
  FILE_RELEASER,
  removeReactions,
  ROW_ERASERS,
  scanMessages,
  scanReactionEnvelopes,
  scanReactions,
} from '../../store/queries/user-data/erased-rows.ts';
import type { ScanKey, ScanStep } from '../../store/queries/user-data/scan.ts';
import { conversationIdsOf } from '../../store/queries/users.ts';
import type { Work } from '../../store/engine/work.ts';
import type { DepartureService } from '../chat/departure-service.ts';
import type { MessageService } from '../chat/message-service.ts';
import type { Caller } from '../ports.ts';
import type { ServiceDeps } from '../service-deps.ts';
import { eraseRows } from './erase-rows.ts';
import { nextTurn } from './export-service.ts';

/** What was erased. */
export interface Erasure {
  /** Messages that became tombstones. */
  readonly messages: number;
  /** Messages from which reactions of the user were removed. */
  readonly reactions: number;
  /** Conversations that the user has left. */
  readonly conversations: number;
}

/** Dependencies of {@link ErasureService}. */
export interface ErasureDeps extends Pick<ServiceDeps, 'store' | 'broadcaster'> {
  readonly messages: MessageService;
  readonly departures: DepartureService;
  /** Ends the sockets of a user. */
  readonly disconnect: (userId: string) => void;
  /** Clears the profile that the user or the app has stored, and pushes that. */
  readonly clearProfile: (userId: string) => Promise<void>;
  /** Forgets what this process holds of a user in memory. */
  readonly forget: (userId: string) => void;
}

/** Messages that are deleted at once: their commits are joined. */
const DELETED_TOGETHER = 20;

/** Erases what the server holds about a user. */
export class ErasureService {
  readonly #deps: ErasureDeps;

  constructor(deps: ErasureDeps) {
    this.#deps = deps;
  }

  /**
   * Ends the sockets of a user, lets the user leave every conversation, replaces their messages by tombstones, and deletes their
   * reactions, receipts, keys, waiting envelopes, files and state. Members see each change as any other. Idempotent: after a
   * failure it can be repeated.
   *
   * Works in steps between which other requests run. Leaving comes first, so that nothing is written meanwhile that is missed.
   */
  async erase(userId: string): Promise<Erasure> {
    const { departures, disconnect, clearProfile, forget, store } = this.#deps;
    disconnect(userId);
    // While there are members who receive it.
    await clearProfile(userId);
    const conversationIds = await store.read(() => conversationIdsOf(userId));
    for (const conversationId of conversationIds) await departures.leave(conversationId, userId);
    const messages = await this.#eachWindow(scanMessages, userId, (rows) => this.#deleteMessages(userId, rows));
    const reactions = await this.#eachWindow(scanReactions, userId, (rows) => this.#removeReactions(userId, rows));
    await this.#eachWindow(scanReactionEnvelopes, userId, (rows) => this.#removeReactions(userId, rows));
    // What is in memory would be stored again.
    forget(userId);
    for (const eraser of [FILE_RELEASER, ...ROW_ERASERS]) await eraseRows(store, eraser, userId);
    return { messages, reactions, conversations: conversationIds.length };
  }

  /** Calls a task with the rows of each window. @returns the number of rows */
  async #eachWindow(
    scan: (userId: string, after: ScanKey) => Work<ScanStep>,
    userId: string,
    task: (rows: ScanStep['rows']) => Promise<void>,
  ): Promise<number> {
    const { store } = this.#deps;
    let count = 0;
    let after: ScanKey | undefined = 0;
    while (after !== undefined) {
      const from: ScanKey = after;
      const { rows, next }: ScanStep = await store.read(() => scan(userId, from));
      await task(rows);
      count += rows.length;
      after = next;
      await nextTurn();
    }
    return count;
  }

  async #deleteMessages(userId: string, rows: ScanStep['rows']): Promise<void> {
    const caller: Caller = { userId, caps: new Set(CAPABILITIES), trusted: true, moderates: true };
    for (let at = 0; at < rows.length; at += DELETED_TOGETHER) {
      const deletions = rows.slice(at, at + DELETED_TOGETHER).map(async (row) => {
        const messageId = wireId({ id: Number(row['id']), public_id: row['public_id'] as string | null });
        try {
          await this.#deps.messages.delete(caller, { conversationId: String(row['conversation_id']), messageId });
        } catch (error) {
          // Its conversation was deleted meanwhile.
          if (!isCommError(error) || error.code !== 'NOT_FOUND') throw error;
        }
      });
      await Promise.all(deletions);
    }
  }

  async #removeReactions(userId: string, rows: ScanStep['rows']): Promise<void> {
    const { store, broadcaster } = this.#deps;
    for (const row of rows) {
      const work = function* (): Work<Message | undefined> {
        const message = yield* removeReactions(Number(row['message_id']), userId);
        if (message === undefined) return undefined;
        const envelopes = parseReactionEnvelopes(message);
        const others = envelopes.filter(({ senderId }: EncryptedEnvelope) => senderId !== userId);
        const left = others.length === envelopes.length ? undefined : JSON.stringify(others);
        return yield* mapMessage(yield* reactionsChanged(message, yield* takeRev(message.conversation_id), left));
      };
      await store.write(work, (message) => {
        if (message === undefined) return;
        const { id: messageId, conversationId, seq, rev, reactions = [] } = message;
        const data = { messageId, reactions, conversationId, seq, rev };
        broadcaster.toConversation(conversationId, { event: 'message:reaction-update', data });
      });
    }
  }
}
