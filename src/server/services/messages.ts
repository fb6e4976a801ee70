import type { ChangeOnce, EditMessage, Message, MessageRef, ReactToMessage } from '../../protocol/messages.ts';
import { appliedTo, keepApplied } from '../store/applied.ts';
import { takeRev } from '../store/counters.ts';
import { deleteMessage, editMessage, reactionsOf, setReaction } from '../store/message-changes.ts';
import type { MessageRow } from '../store/rows.ts';
import { viewMessage } from '../store/views.ts';
import type { Work } from '../store/work.ts';
import { isoNow, type ServiceDeps } from './deps.ts';
import { checkOwn, isServerWritten, messageFor } from './message-access.ts';
import { checkRecipient, checkSender } from './envelope-rules.ts';
import { checkLength } from './message-rules.ts';
import type { Caller } from './ports.ts';
import { conflict, forbidden, invalid } from './refusals.ts';

/** One person can't fill a message with reactions without end. */
const MAX_REACTIONS_EACH = 20;
/** How long, and for how many changes of one person, a repeat is recognized. */
const REPEATED_WITHIN_MS = 30 * 86_400_000;
const REPEATED_EACH = 20_000;

/** What a write came to; `changed` is false when it had all been so before, and then nobody is told. */
interface Outcome {
  readonly message: Message;
  readonly changed: boolean;
}

/**
 * Changes to messages that are there: editing, deleting, reacting. All of them are safe to repeat: at once because they
 * name what is wanted, and after others because a change that carries a client id is applied once.
 */
export class MessagesService {
  readonly #deps: ServiceDeps;

  constructor(deps: ServiceDeps) {
    this.#deps = deps;
  }

  /**
   * @throws CommError `FORBIDDEN` for another's message, `CONFLICT` when it was deleted, or when it is encrypted and the
   * edit isn't (or the other way round), `MESSAGE_TOO_LONG`, `INVALID`, `NOT_FOUND`
   */
  async edit(caller: Caller, { content: text, envelope, ...ref }: EditMessage & ChangeOnce): Promise<Message> {
    const { config, clock, store } = this.#deps;
    checkLength(text, config);
    if (envelope !== undefined) checkSender(caller.userId, envelope);
    else if (text.trim() === '') throw invalid('A message has a text');
    const content = envelope === undefined ? text : JSON.stringify(envelope);
    const apply = function* (row: MessageRow): Work<Outcome> {
      checkOwn(caller.userId, row);
      if (row.deleted_at !== null) throw conflict('The message was deleted');
      if (isServerWritten(row)) throw forbidden('This message was written by the server');
      if ((row.encrypted !== 0) !== (envelope !== undefined)) {
        throw conflict('An encrypted message is edited by an envelope, and no other is');
      }
      if (row.content === content) return { message: yield* viewMessage(row), changed: false };
      if (envelope !== undefined) yield* checkRecipient(row.conversation_id, envelope);
      const edited = yield* editMessage(row, content, isoNow(clock), yield* takeRev(row.conversation_id));
      return { message: yield* viewMessage(edited), changed: true };
    };
    const { message } = await store.write(
      () => this.#once(caller, ref, apply),
      (outcome) => this.#tellUpdated(outcome),
    );
    return message;
  }

  /**
   * Leaves a tombstone. Deleting again is a success that changes nothing.
   *
   * @throws CommError `FORBIDDEN` for another's message, `NOT_FOUND`
   */
  async delete(caller: Caller, ref: MessageRef & ChangeOnce): Promise<Message> {
    const { clock, hub, store } = this.#deps;
    const { userId } = caller;
    const apply = function* (row: MessageRow): Work<Outcome> {
      checkOwn(userId, row);
      if (row.deleted_at !== null) return { message: yield* viewMessage(row), changed: false };
      const buried = yield* deleteMessage(row, isoNow(clock), yield* takeRev(row.conversation_id));
      return { message: yield* viewMessage(buried), changed: true };
    };
    const work = (): Work<Outcome> => this.#once(caller, ref, apply);
    const { message } = await store.write(work, (outcome) => {
      if (!outcome.changed) return;
      const { id: messageId, conversationId, seq, rev } = outcome.message;
      const data = { messageId, conversationId, deletedBy: userId, seq, rev };
      hub.toConversation(conversationId, { event: 'message:deleted', data });
      this.#tellUpdated(outcome);
    });
    return message;
  }

  /**
   * Sets or takes back one reaction; without `on` it is turned over.
   *
   * @throws CommError `CONFLICT` when the message was deleted or has too many reactions of the caller, `NOT_FOUND`
   */
  async react(caller: Caller, { emoji, on, ...ref }: ReactToMessage & ChangeOnce): Promise<Message> {
    const { clock, hub, store } = this.#deps;
    const { userId } = caller;
    const apply = function* (row: MessageRow): Work<Outcome> {
      if (row.deleted_at !== null) throw conflict('The message was deleted');
      const mine = yield* reactionsOf(row, userId);
      const has = mine.includes(emoji);
      const wanted = on ?? !has;
      if (wanted === has) return { message: yield* viewMessage(row), changed: false };
      if (wanted && mine.length >= MAX_REACTIONS_EACH) throw conflict('Take a reaction back before adding another');
      const rev = yield* takeRev(row.conversation_id);
      const touched = yield* setReaction(row, { userId, emoji, on: wanted }, isoNow(clock), rev);
      return { message: yield* viewMessage(touched), changed: true };
    };
    const work = (): Work<Outcome> => this.#once(caller, ref, apply);
    const { message } = await store.write(work, (outcome) => {
      if (!outcome.changed) return;
      const { id: messageId, conversationId, seq, rev, reactions = [] } = outcome.message;
      const data = { messageId, reactions, conversationId, seq, rev };
      hub.toConversation(conversationId, { event: 'message:reaction-update', data });
    });
    return message;
  }

  /** Applies a change, unless it was applied before: then the message is answered as others have left it since. */
  *#once(
    { userId }: Caller,
    { clientId, ...ref }: MessageRef & ChangeOnce,
    apply: (row: MessageRow) => Work<Outcome>,
  ): Work<Outcome> {
    const row = yield* messageFor(userId, ref);
    if (clientId === undefined) return yield* apply(row);
    const known = yield* appliedTo(userId, clientId);
    if (known !== undefined && known !== row.id) throw conflict('This client id is a change of another message');
    if (known !== undefined) return { message: yield* viewMessage(row), changed: false };
    const outcome = yield* apply(row);
    const { clock } = this.#deps;
    const before = new Date(clock.now() - REPEATED_WITHIN_MS).toISOString();
    const applied = { userId, clientId, messageId: row.id, appliedAt: isoNow(clock) };
    yield* keepApplied(applied, { before, each: REPEATED_EACH });
    return outcome;
  }

  #tellUpdated({ message, changed }: Outcome): void {
    if (!changed) return;
    this.#deps.hub.toConversation(message.conversationId, { event: 'message:updated', data: message });
  }
}
