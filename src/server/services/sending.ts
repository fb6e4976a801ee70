import type { EncryptedEnvelope } from '../../protocol/encryption.ts';
import type { ForwardMessage, Message, SendMessage } from '../../protocol/messages.ts';
import { takeSeq } from '../store/counters.ts';
import { moveDelivered, slowestDelivered } from '../store/marks.ts';
import { statusChanges, type StatusChange } from '../store/status-changes.ts';
import { findMessage, insertMessage, sendFacts, type NewMessage, type SendFacts } from '../store/messages.ts';
import { wireId } from '../store/rows.ts';
import { viewMessage, viewNewMessage } from '../store/views.ts';
import type { Work } from '../store/work.ts';
import { isoNow, type ServiceDeps } from './deps.ts';
import { checkRecipient } from './envelope-rules.ts';
import { isServerWritten, messageFor } from './message-access.ts';
import { checkMessage } from './message-rules.ts';
import type { Caller } from './ports.ts';
import { conflict, invalid, notFound } from './refusals.ts';
import { pushStatuses } from './statuses.ts';

type Draft = Omit<NewMessage, 'seq' | 'rev' | 'createdAt'>;

interface Sent {
  readonly message: Message;
  /** False when it was stored before: then nobody is told. */
  readonly fresh: boolean;
  readonly delivered: readonly StatusChange[];
}

/** A message that a server writes on somebody's behalf. */
export interface ServerMessage {
  readonly conversationId: string;
  readonly senderId: string;
  readonly type: 'call' | 'system';
  readonly content: string;
  /** Its id on the wire, such as `call-<uuid>`: writing it twice is writing it once. Absent: a decimal one. */
  readonly publicId?: string | undefined;
}

/** New messages: stored, then acknowledged and told to everybody in the order of their `seq`. */
export class SendingService {
  readonly #deps: ServiceDeps;

  constructor(deps: ServiceDeps) {
    this.#deps = deps;
  }

  /**
   * Stores a message and tells everybody. The same client id again is answered with the message already stored.
   *
   * @throws CommError `NOT_FOUND` when the caller isn't in the conversation, `CONFLICT` while `afterClientId` isn't
   * stored or when the client id is another message's, `INVALID`, and what {@link checkMessage} throws
   */
  async send(caller: Caller, request: SendMessage): Promise<Message> {
    checkMessage(caller.userId, request, this.#deps.config);
    const { attachment, envelope } = request;
    const draft: Draft = {
      conversationId: request.conversationId,
      senderId: caller.userId,
      content: envelope === undefined ? request.content : JSON.stringify(envelope),
      type: request.type,
      replyTo: request.replyTo,
      attachment: attachment && JSON.stringify(attachment),
      encrypted: envelope !== undefined,
      clientId: request.clientId,
    };
    const work = (): Work<Sent> => this.#insert(draft, request.afterClientId, envelope);
    return (await this.#deps.store.write(work, (sent) => this.#tellNew(caller, sent))).message;
  }

  /** Sends a copy to another conversation. As idempotent as {@link send} where it carries a client id. */
  async forward(caller: Caller, request: ForwardMessage): Promise<Message> {
    const { userId } = caller;
    const { messageId, fromConversationId, toConversationId: conversationId, clientId } = request;
    const insert = this.#insert.bind(this);
    const work = function* (): Work<Sent> {
      const facts = yield* sendFacts({ conversationId, senderId: userId, clientId }, undefined);
      const known = yield* storedBefore(conversationId, facts);
      if (known !== undefined) return known;
      const original = yield* messageFor(userId, { conversationId: fromConversationId, messageId });
      if (original.deleted_at !== null) throw conflict('The message was deleted');
      if (original.encrypted !== 0) throw invalid('Only its readers can forward an encrypted message');
      if (isServerWritten(original)) throw invalid('This message was written by the server');
      const draft: Draft = {
        conversationId,
        senderId: userId,
        content: original.content,
        type: original.type,
        attachment: original.attachment ?? undefined,
        encrypted: false,
        clientId,
        forwardedFrom: { conversationId: fromConversationId, messageId: wireId(original) },
      };
      return yield* insert(draft);
    };
    const { message } = await this.#deps.store.write(work, (sent) => {
      this.#tellNew(caller, sent);
      const { hub } = this.#deps;
      if (sent.fresh) hub.toConversation(conversationId, { event: 'message:forwarded', data: sent.message });
    });
    return message;
  }

  /** Writes what no client may: the log of a call, a notice. Whoever calls this has authorized it. */
  async appendServerMessage({ publicId, ...message }: ServerMessage): Promise<Message> {
    const append = this.#append.bind(this);
    const work = function* (): Work<Sent> {
      const known = publicId === undefined ? undefined : yield* findMessage(publicId);
      if (known !== undefined) return { message: yield* viewMessage(known), fresh: false, delivered: [] };
      return yield* append({ ...message, publicId, encrypted: false });
    };
    return (await this.#deps.store.write(work, (sent) => this.#tellNew(undefined, sent))).message;
  }

  *#insert(draft: Draft, afterClientId?: string, envelope?: EncryptedEnvelope): Work<Sent> {
    const facts = yield* sendFacts(draft, afterClientId);
    const known = yield* storedBefore(draft.conversationId, facts);
    if (known !== undefined) return known;
    if (!facts.member) throw notFound();
    if (afterClientId !== undefined && !facts.predecessorFound) {
      throw conflict('The message before this one is not stored yet');
    }
    if (draft.replyTo !== undefined && facts.replyTo === undefined) {
      throw invalid('replyTo is no message of this conversation');
    }
    if (envelope !== undefined) yield* checkRecipient(draft.conversationId, envelope);
    return yield* this.#append({ ...draft, replyTo: facts.replyTo });
  }

  *#append(draft: Draft): Work<Sent> {
    const { clock, hub } = this.#deps;
    const { conversationId, senderId } = draft;
    const createdAt = isoNow(clock);
    const place = yield* takeSeq(conversationId, createdAt);
    const message = viewNewMessage(yield* insertMessage({ ...draft, ...place, createdAt }));
    const receivers = hub.baseReceivers(conversationId).filter((userId) => userId !== senderId);
    if (receivers.length === 0) return { message, fresh: true, delivered: [] };
    // A base client never says that it has received something: being there when it is pushed has to do.
    const before = yield* slowestDelivered(conversationId);
    const moved = yield* moveDelivered(conversationId, receivers, place.seq);
    const delivered = moved
      ? yield* statusChanges(conversationId, before, yield* slowestDelivered(conversationId))
      : [];
    return { message, fresh: true, delivered };
  }

  #tellNew(caller: Caller | undefined, { message, fresh, delivered }: Sent): void {
    const { hub } = this.#deps;
    const { id: messageId, conversationId, seq } = message;
    if (caller?.socketId !== undefined && !caller.caps.has('ack')) {
      hub.toSocket(caller.socketId, {
        event: 'message:status',
        data: { messageId, status: 'sent', conversationId, seq },
      });
    }
    if (!fresh) return;
    hub.toConversation(conversationId, { event: 'message:new', data: message });
    pushStatuses(hub, conversationId, 'delivered', delivered);
  }
}

/** Asked before everything else: what is stored was sent, whatever has happened to its sender or its original since. */
function* storedBefore(conversationId: string, { duplicateId, member }: SendFacts): Work<Sent | undefined> {
  if (duplicateId === undefined) return undefined;
  const row = yield* findMessage(String(duplicateId));
  if (row?.conversation_id !== conversationId) throw conflict('This client id is another message');
  // Who has read it or reacted to it since is for those who are still there.
  const message = member ? yield* viewMessage(row) : viewNewMessage(row);
  return { message, fresh: false, delivered: [] };
}
