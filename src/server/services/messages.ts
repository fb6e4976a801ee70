import type { EditMessage, Message, MessageRef, ReactToMessage } from '../../protocol/messages.ts';
import { takeRev } from '../store/counters.ts';
import { deleteMessage, editMessage, reactionsOf, setReaction } from '../store/message-changes.ts';
import { viewMessage } from '../store/views.ts';
import type { Work } from '../store/work.ts';
import { isoNow, type ServiceDeps } from './deps.ts';
import { isServerWritten, messageFor, ownMessage } from './message-access.ts';
import { checkRecipient, checkSender } from './envelope-rules.ts';
import { checkLength } from './message-rules.ts';
import type { Caller } from './ports.ts';
import { conflict, forbidden, invalid } from './refusals.ts';

/** One person can't fill a message with reactions without end. */
const MAX_REACTIONS_EACH = 20;

/** What a write came to; `changed` is false when it had all been so before, and then nobody is told. */
interface Outcome {
  readonly message: Message;
  readonly changed: boolean;
}

/** Changes to messages that are there: editing, deleting, reacting. All of them are safe to repeat. */
export class MessagesService {
  readonly #deps: ServiceDeps;

  constructor(deps: ServiceDeps) {
    this.#deps = deps;
  }

  /**
   * @throws CommError `FORBIDDEN` for another's message, `CONFLICT` when it was deleted, or when it is encrypted and the
   * edit isn't (or the other way round), `MESSAGE_TOO_LONG`, `INVALID`, `NOT_FOUND`
   */
  async edit(caller: Caller, { content: text, envelope, ...ref }: EditMessage): Promise<Message> {
    const { config, clock, store } = this.#deps;
    checkLength(text, config);
    if (envelope !== undefined) checkSender(caller.userId, envelope);
    else if (text.trim() === '') throw invalid('A message has a text');
    const content = envelope === undefined ? text : JSON.stringify(envelope);
    const work = function* (): Work<Outcome> {
      const row = yield* ownMessage(caller.userId, ref);
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
    return (await store.write(work, (outcome) => this.#tellUpdated(outcome))).message;
  }

  /**
   * Leaves a tombstone. Deleting again is a success that changes nothing.
   *
   * @throws CommError `FORBIDDEN` for another's message, `NOT_FOUND`
   */
  async delete(caller: Caller, ref: MessageRef): Promise<Message> {
    const { clock, hub, store } = this.#deps;
    const { userId } = caller;
    const work = function* (): Work<Outcome> {
      const row = yield* ownMessage(userId, ref);
      if (row.deleted_at !== null) return { message: yield* viewMessage(row), changed: false };
      const buried = yield* deleteMessage(row, isoNow(clock), yield* takeRev(row.conversation_id));
      return { message: yield* viewMessage(buried), changed: true };
    };
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
  async react(caller: Caller, { emoji, on, ...ref }: ReactToMessage): Promise<Message> {
    const { clock, hub, store } = this.#deps;
    const { userId } = caller;
    const work = function* (): Work<Outcome> {
      const row = yield* messageFor(userId, ref);
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
    const { message } = await store.write(work, (outcome) => {
      if (!outcome.changed) return;
      const { id: messageId, conversationId, seq, rev, reactions = [] } = outcome.message;
      const data = { messageId, reactions, conversationId, seq, rev };
      hub.toConversation(conversationId, { event: 'message:reaction-update', data });
    });
    return message;
  }

  #tellUpdated({ message, changed }: Outcome): void {
    if (!changed) return;
    this.#deps.hub.toConversation(message.conversationId, { event: 'message:updated', data: message });
  }
}
