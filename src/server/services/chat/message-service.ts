import type { EncryptedEnvelope } from '../../../protocol/encryption.ts';
import { isEmoji } from '../../../protocol/emoji.ts';
import { LIMITS } from '../../../protocol/limits.ts';
import type {
  ChangeOnce,
  DeleteMessage,
  EditMessage,
  Message,
  MessageRef,
  ReactToMessage,
} from '../../../protocol/messages.ts';
import type { PinMessage } from '../../../protocol/moderation.ts';
import { memberCount } from '../../store/queries/members.ts';
import { findIdempotencyKey, storeIdempotencyKey } from '../../store/queries/idempotency-keys.ts';
import { isBlockedIn } from '../../store/queries/people/blocks.ts';
import { takeRev } from '../../store/queries/counters.ts';
import {
  deleteMessage,
  editMessage,
  reactionsChanged,
  reactionsOf,
  setReaction,
} from '../../store/queries/message-changes.ts';
import { pinnedCount, setPin } from '../../store/queries/moderation/pins.ts';
import { type MessageRow, parseReactionEnvelopes } from '../../store/queries/rows.ts';
import { mapMessage } from '../../store/queries/message-mapper.ts';
import { changeMentions, isSameList, replyDeleted } from './threads/thread-changes.ts';
import { mentionsOf } from '../../store/queries/threads/mentions.ts';
import type { Work } from '../../store/engine/work.ts';
import type { WriteOptions } from '../../store/engine/group-commit.ts';
import { conversationKey, userKey } from '../../store/write-keys.ts';
import { pushWork } from '../limits/request-work.ts';
import { isoNow, type ServiceDeps } from '../service-deps.ts';
import { isServerWritten, messageFor, messageIn, type MessageAction } from './message-access.ts';
import { checkRecipient, checkSender } from '../e2ee/check-envelope.ts';
import { requireMentioned } from './threads/check-mentions.ts';
import { checkEdit } from './check-message.ts';
import { writeMetadata } from './metadata.ts';
import { requireUnfrozenFor } from './posting-rules.ts';
import { pushUpdated } from './push-updated.ts';
import type { MessagePolicy } from '../moderation/message-policy.ts';
import type { Caller } from '../ports.ts';
import { conflict, forbidden, invalid, mayNotContact } from '../errors.ts';

/** Maximum number of reactions of one user to one message. */
const MAX_REACTIONS_PER_USER = 20;
/** Maximum number of users whose encrypted reactions are kept with one message. */
const MAX_REACTION_ENVELOPES = 100;
/** Characters of the JSON of all envelopes of reactions to one message: each reaction rewrites it. */
const MAX_REACTION_ENVELOPES_LENGTH = 131_072;
/** Time in ms and number per user for which repeated changes are recognized. */
const IDEMPOTENCY_KEY_TTL_MS = 30 * 86_400_000;
const MAX_IDEMPOTENCY_KEYS_PER_USER = 20_000;

/** Result of a change. `changed` is false if the message was already in the wanted state; then nothing is pushed. */
interface Outcome {
  readonly message: Message;
  readonly changed: boolean;
  /** The root of the thread of a deleted reply. */
  readonly root?: Message | undefined;
}

/**
 * Edits, deletes, pins and reacts to messages. All changes are idempotent: they name the target state, and a change with a
 * client id is applied once even if other changes followed it.
 */
export class MessageService {
  readonly #deps: ServiceDeps;
  readonly #policy: MessagePolicy;

  /** @param policy - decides about edits */
  constructor(deps: ServiceDeps, policy: MessagePolicy) {
    this.#deps = deps;
    this.#policy = policy;
  }

  /**
   * Replaces the content of a message and, if given, its metadata.
   *
   * @throws CommError `FORBIDDEN` for a message of another sender and in a frozen conversation, `CONFLICT` if it was deleted or if only one of
   * message and edit is encrypted, `MESSAGE_TOO_LONG`, `INVALID`, `NOT_FOUND`
   */
  async edit(caller: Caller, request: EditMessage & ChangeOnce): Promise<Message> {
    checkEdit(caller.userId, request, this.#deps.config);
    return await this.#policy.edit(caller, request, (reviewed) => this.#edit(caller, reviewed));
  }

  async #edit(caller: Caller, request: EditMessage & ChangeOnce): Promise<Message> {
    const { content: text, envelope, mentions, metadata, ...ref } = request;
    const { clock, store } = this.#deps;
    const content = envelope === undefined ? text : JSON.stringify(envelope);
    const apply = function* (row: MessageRow): Work<Outcome> {
      if (row.deleted_at !== null) throw conflict('The message is deleted');
      if (isServerWritten(row)) throw forbidden('A message written by the server cannot be edited');
      if (yield* isBlockedIn(row.conversation_id, caller.userId)) throw mayNotContact();
      if ((row.encrypted !== 0) !== (envelope !== undefined)) {
        throw conflict('envelope must be present if and only if the message is encrypted');
      }
      const columns = { content, metadata: metadata === undefined ? row.metadata : writeMetadata(metadata) };
      const mentioned = mentions !== undefined && !isSameList(mentions, mentionsOf(row)) ? mentions : undefined;
      if (row.content === content && row.metadata === columns.metadata && mentioned === undefined)
        return { message: yield* mapMessage(row), changed: false };
      yield* requireUnfrozenFor(caller, row.conversation_id);
      if (mentioned !== undefined) yield* requireMentioned(row.conversation_id, mentioned);
      if (envelope !== undefined) yield* checkRecipient(row.conversation_id, envelope);
      const edited = yield* editMessage(row, columns, isoNow(clock), yield* takeRev(row.conversation_id));
      const result = mentioned === undefined ? edited : yield* changeMentions(edited, mentioned);
      return { message: yield* mapMessage(result), changed: true };
    };
    const { message } = await store.write(
      () => this.#applyOnce(caller, ref, 'edit', apply),
      (outcome) => this.#broadcastUpdated(outcome, caller.userId),
      keysOf(caller, ref),
    );
    return message;
  }

  /**
   * Replaces a message with a tombstone. Idempotent.
   *
   * @throws CommError `FORBIDDEN` for a message of another sender, unless the caller manages the group, `CONFLICT` for an envelope of a message that isn't encrypted,
   * `INVALID`, `NOT_FOUND`
   */
  async delete(caller: Caller, { envelope, ...ref }: DeleteMessage & ChangeOnce): Promise<Message> {
    const { clock, broadcaster, store } = this.#deps;
    const { userId } = caller;
    if (envelope !== undefined) checkSender(userId, envelope);
    const apply = function* (row: MessageRow): Work<Outcome> {
      if (row.deleted_at !== null) return { message: yield* mapMessage(row), changed: false };
      if (envelope !== undefined) yield* checkChange(row, envelope);
      const content = envelope === undefined ? '' : JSON.stringify(envelope);
      if (row.mentions !== null) yield* changeMentions(row, []);
      const rev = yield* takeRev(row.conversation_id);
      const tombstone = yield* deleteMessage(row, { content, deletedBy: userId }, isoNow(clock), rev);
      const root = yield* replyDeleted(tombstone);
      return { message: yield* mapMessage(tombstone), changed: true, root };
    };
    const work = (): Work<Outcome> => this.#applyOnce(caller, ref, 'delete', apply);
    const { message } = await store.write(work, (outcome) => {
      if (!outcome.changed) return;
      const { id: messageId, conversationId, seq, rev } = outcome.message;
      const data = { messageId, conversationId, deletedBy: userId, seq, rev };
      broadcaster.toConversation(conversationId, { event: 'message:deleted', data });
      this.#broadcastUpdated(outcome, userId);
      pushUpdated(broadcaster, outcome.root);
    });
    return message;
  }

  /**
   * Sets or removes a reaction; without `on`, toggles it. Base clients do the latter, and may send other texts than emoji.
   *
   * @throws CommError `CONFLICT` if the message was deleted, the caller has too many reactions on it, or the envelope is that of
   * a message that isn't encrypted, `INVALID` if what is set isn't an emoji, `NOT_FOUND`
   */
  async react(caller: Caller, { emoji, on, envelope, ...ref }: ReactToMessage & ChangeOnce): Promise<Message> {
    const { clock, broadcaster, store } = this.#deps;
    const { userId } = caller;
    if (on === true && !isEmoji(emoji)) throw invalid('emoji must be a single emoji');
    if (envelope !== undefined) checkSender(userId, envelope);
    const apply = function* (row: MessageRow): Work<Outcome> {
      if (row.deleted_at !== null) throw conflict('The message is deleted');
      const mine = yield* reactionsOf(row, userId);
      const has = mine.includes(emoji);
      const wanted = on ?? !has;
      if (wanted && (yield* isBlockedIn(row.conversation_id, userId))) throw mayNotContact();
      if (envelope !== undefined) yield* checkChange(row, envelope);
      const envelopes = envelope && withReactionEnvelope(row, envelope);
      // The reaction may have been set without an envelope before.
      if (wanted === has && envelope === undefined) return { message: yield* mapMessage(row), changed: false };
      if (wanted && !has && mine.length >= MAX_REACTIONS_PER_USER)
        throw conflict(`A user may add at most ${MAX_REACTIONS_PER_USER} reactions to a message`);
      const rev = yield* takeRev(row.conversation_id);
      if (wanted !== has) yield* setReaction(row, { userId, emoji, on: wanted }, isoNow(clock));
      const updated = yield* reactionsChanged(row, rev, envelopes);
      return { message: yield* mapMessage(updated), changed: true };
    };
    const work = (): Work<Outcome> => this.#applyOnce(caller, ref, 'react', apply);
    const push = (outcome: Outcome): void => {
      if (!outcome.changed) return;
      const { id: messageId, conversationId, seq, rev, reactions = [] } = outcome.message;
      const data = { messageId, reactions, conversationId, seq, rev, ...(envelope !== undefined && { envelope }) };
      broadcaster.toConversation(conversationId, { event: 'message:reaction-update', data });
    };
    const { message } = await store.write(work, push, keysOf(caller, ref));
    return message;
  }

  /**
   * Pins a message for all members of the conversation, or ends that. Idempotent: a pinned message keeps its first pin.
   *
   * @throws CommError `CONFLICT` if the message was deleted or the conversation has too many pinned messages, `FORBIDDEN` if the
   * other participant has blocked the caller, `RATE_LIMITED`, `NOT_FOUND`
   */
  async pin(caller: Caller, { pinned, ...ref }: PinMessage & ChangeOnce): Promise<Message> {
    const { clock, store, budgets } = this.#deps;
    const { userId } = caller;
    const apply = function* (row: MessageRow): Work<Outcome> {
      const { conversation_id: conversationId } = row;
      if (yield* isBlockedIn(conversationId, userId)) throw mayNotContact();
      if (pinned && row.deleted_at !== null) throw conflict('The message is deleted');
      if (pinned === (row.pinned_at !== null)) return { message: yield* mapMessage(row), changed: false };
      if (pinned && (yield* pinnedCount(conversationId)) >= LIMITS.pinnedMessages)
        throw conflict(`A conversation may have at most ${LIMITS.pinnedMessages} pinned messages`);
      budgets.chargeRequest(caller, pushWork(yield* memberCount(conversationId)));
      const pin = pinned ? { by: userId, at: isoNow(clock) } : undefined;
      return { message: yield* mapMessage(yield* setPin(row, pin, yield* takeRev(conversationId))), changed: true };
    };
    const { message } = await store.write(
      () => this.#applyOnce(caller, ref, 'pin', apply),
      (outcome) => this.#broadcastUpdated(outcome, userId),
      keysOf(caller, ref),
    );
    return message;
  }

  /**
   * Applies a change unless its client id was applied before. A repeated change returns the message in its current
   * state.
   */
  *#applyOnce(
    { userId, moderates }: Caller,
    { clientId, ...ref }: MessageRef & ChangeOnce,
    action: MessageAction,
    apply: (row: MessageRow) => Work<Outcome>,
  ): Work<Outcome> {
    const row = yield* moderates === true ? messageIn(ref) : messageFor(userId, ref, action);
    if (clientId === undefined) return yield* apply(row);
    const known = yield* findIdempotencyKey(userId, clientId);
    if (known !== undefined && known !== row.id)
      throw conflict('clientId is already used by a change of another message');
    if (known !== undefined) return { message: yield* mapMessage(row), changed: false };
    const outcome = yield* apply(row);
    const { clock } = this.#deps;
    const before = new Date(clock.now() - IDEMPOTENCY_KEY_TTL_MS).toISOString();
    const applied = { userId, clientId, messageId: row.id, appliedAt: isoNow(clock) };
    yield* storeIdempotencyKey(applied, { before, each: MAX_IDEMPOTENCY_KEYS_PER_USER });
    return outcome;
  }

  #broadcastUpdated({ message, changed }: Outcome, editedBy: string): void {
    if (changed) pushUpdated(this.#deps.broadcaster, message, editedBy);
  }
}

/** A change that frees no files. Idempotency keys are those of the user. */
function keysOf({ userId }: Caller, { conversationId }: MessageRef): WriteOptions {
  return { keys: () => [conversationKey(conversationId), userKey(userId)] };
}

/** Checks the envelope of a deletion or reaction. @throws CommError `CONFLICT`, `INVALID` */
function* checkChange(row: MessageRow, envelope: EncryptedEnvelope): Work<void> {
  if (row.encrypted === 0) throw conflict('envelope must be absent if the message is not encrypted');
  yield* checkRecipient(row.conversation_id, envelope);
}

/**
 * Adds the encrypted reactions of a user to those of others, as JSON. Returns `undefined` if too many are kept:
 * the reaction is stored without its envelope then.
 */
function withReactionEnvelope(row: MessageRow, envelope: EncryptedEnvelope): string | undefined {
  const others = parseReactionEnvelopes(row).filter(({ senderId }) => senderId !== envelope.senderId);
  if (others.length >= MAX_REACTION_ENVELOPES) return undefined;
  const json = JSON.stringify([...others, envelope]);
  return json.length <= MAX_REACTION_ENVELOPES_LENGTH ? json : undefined;
}
