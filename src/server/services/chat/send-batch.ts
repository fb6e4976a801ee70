import { isCommError, type CommError } from '../../../protocol/errors.ts';
import type { Message, SendMessage } from '../../../protocol/messages.ts';
import { takeSeq } from '../../store/queries/counters.ts';
import { referToFile } from '../../store/queries/files.ts';
import {
  insertMessages,
  messagesByIds,
  senderFacts,
  type ChosenColumns,
  type SenderFacts,
  type StoredMessage,
} from '../../store/queries/message-batches.ts';
import { mapMessage, mapNewMessage } from '../../store/queries/message-mapper.ts';
import { findMessage } from '../../store/queries/messages.ts';
import { storeAttachments, type Attachments } from '../../store/queries/stored-attachments.ts';
import { rowIdOf, wireId } from '../../store/queries/rows.ts';
import type { Work } from '../../store/engine/work.ts';
import { checkRecipient } from '../e2ee/check-envelope.ts';
import { conflict, invalid, notFound } from '../errors.ts';
import { requireSlowMode, requireUnfrozen } from './posting-rules.ts';

/** What became of one message. `isNew` is false if it was stored before. */
export type SendOutcome = { readonly message: Message; readonly isNew: boolean } | { readonly rejection: CommError };

/** Messages of one sender in one conversation. */
export interface SendBatchOptions {
  readonly senderId: string;
  readonly conversationId: string;
  readonly requests: readonly SendMessage[];
  /** Time of the messages. */
  readonly createdAt: string;
  /** True for code of the app, which may always write. */
  readonly isTrusted: boolean;
  /** Returns the files of this server in a message. @throws CommError `INVALID` if the sender may not attach them */
  readonly filesOf: (message: Attachments) => Work<readonly string[]>;
}

/**
 * Stores messages of one sender in one conversation, in order. For plain messages the number of statements doesn't depend
 * on their number: what decides about them is read by one, the counters are advanced by one, and one inserts the rows.
 * Files, envelopes, replies within the batch and repeated messages take statements of their own. A message that is rejected
 * doesn't affect the others.
 */
export class SendBatch {
  readonly #options: SendBatchOptions;
  readonly #outcomes: SendOutcome[] = [];
  /** Accepted messages that are not inserted yet, with their places among the outcomes. */
  #accepted: { place: number; columns: ChosenColumns; fileIds: readonly string[] }[] = [];
  /** Places of the accepted messages by client id. */
  readonly #places = new Map<string, number>();
  /** The stored messages that the requests name, by client id and by id on the wire. */
  #own: ReadonlyMap<string, StoredMessage> = new Map();
  #named: ReadonlyMap<string, StoredMessage> = new Map();
  #isMember = false;
  #posting: SenderFacts['posting'];
  /** Time of the sender's last message, for the slow mode. */
  #lastSentAt: string | null = null;
  #senderSeq = 0;
  /** Recipients of envelopes that were found valid. */
  readonly #recipients = new Set<string>();

  constructor(options: SendBatchOptions) {
    this.#options = options;
  }

  /** Stores the messages and returns their outcomes, in the order of the requests. Call it once. */
  *store(): Work<readonly SendOutcome[]> {
    const { requests } = this.#options;
    const replies = defined(requests.map(({ replyTo }) => replyTo));
    const clientIds = defined(requests.flatMap(({ clientId, afterClientId }) => [clientId, afterClientId]));
    const facts = yield* senderFacts(this.#options, [...clientIds, ...replies.filter(isClientId)]);
    this.#isMember = facts.isMember;
    this.#posting = this.#options.isTrusted ? undefined : facts.posting;
    this.#lastSentAt = facts.lastSentAt;
    this.#senderSeq = facts.senderSeq;
    this.#own = facts.own;
    this.#named = yield* messagesByIds(replies);
    for (const [place, request] of requests.entries()) yield* this.#add(place, request);
    yield* this.#insert();
    return this.#outcomes;
  }

  *#add(place: number, request: SendMessage): Work<void> {
    const { clientId, replyTo } = request;
    // Checked first: a stored message stays sent, even if its sender has left since.
    const duplicate = clientId === undefined ? undefined : this.#own.get(clientId);
    if (duplicate !== undefined) {
      this.#outcomes[place] = yield* this.#known(duplicate);
      return;
    }
    const first = clientId === undefined ? undefined : this.#places.get(clientId);
    const original = replyTo === undefined ? undefined : this.#places.get(replyTo);
    // An answer, or a reply, needs the ids of messages that are in this batch too.
    if (first !== undefined || original !== undefined) yield* this.#insert();
    const repeated = first === undefined ? undefined : this.#outcomes[first];
    if (repeated !== undefined && 'message' in repeated) {
      this.#outcomes[place] = { message: repeated.message, isNew: false };
      return;
    }
    try {
      yield* this.#check(request);
      const fileIds = yield* this.#options.filesOf(request);
      this.#lastSentAt = this.#options.createdAt;
      this.#accepted.push({ place, columns: columnsOf(request, this.#originalOf(request)), fileIds });
      if (clientId !== undefined) this.#places.set(clientId, place);
    } catch (error) {
      this.#outcomes[place] = rejectionOf(error);
    }
  }

  /** @throws CommError `NOT_FOUND`, `FORBIDDEN`, `CONFLICT`, `INVALID`, `RATE_LIMITED` */
  *#check({ afterClientId, replyTo, envelope }: SendMessage): Work<void> {
    const { conversationId } = this.#options;
    if (!this.#isMember) throw notFound();
    if (this.#posting !== undefined) requireUnfrozen(this.#posting);
    if (afterClientId !== undefined && !this.#places.has(afterClientId)) {
      const predecessor = this.#own.get(afterClientId);
      if (predecessor?.conversation_id !== conversationId) {
        throw conflict('The message named by afterClientId is not stored');
      }
    }
    if (replyTo !== undefined && this.#originalOf({ replyTo }) === undefined) {
      throw invalid('replyTo must be a message of this conversation');
    }
    if (envelope !== undefined && !this.#recipients.has(envelope.recipientId)) {
      yield* checkRecipient(conversationId, envelope);
      this.#recipients.add(envelope.recipientId);
    }
    // Last: a message that is rejected for good is not worth the wait.
    if (this.#posting !== undefined) requireSlowMode(this.#posting, this.#lastSentAt, this.#options.createdAt);
  }

  /** Returns the id on the wire of the message that is replied to, if it is in the conversation. */
  #originalOf({ replyTo }: Pick<SendMessage, 'replyTo'>): string | undefined {
    if (replyTo === undefined) return undefined;
    const { conversationId } = this.#options;
    const here = (found: StoredMessage | undefined): string | undefined =>
      found?.conversation_id === conversationId ? wireId(found) : undefined;
    const inBatch = this.#outcomes[this.#places.get(replyTo) ?? -1];
    if (inBatch !== undefined) return 'message' in inBatch ? inBatch.message.id : undefined;
    return here(this.#named.get(replyTo)) ?? here(this.#own.get(replyTo));
  }

  *#known(stored: StoredMessage): Work<SendOutcome> {
    try {
      const message = yield* knownMessage(stored, this.#options.conversationId, this.#isMember);
      return { message, isNew: false };
    } catch (error) {
      return rejectionOf(error);
    }
  }

  *#insert(): Work<void> {
    const accepted = this.#accepted;
    if (accepted.length === 0) return;
    this.#accepted = [];
    const { senderId, conversationId, createdAt } = this.#options;
    const last = yield* takeSeq(conversationId, createdAt, accepted.length);
    const messages = accepted.map(({ columns }) => columns);
    const place = { senderId, conversationId, createdAt, senderSeq: this.#senderSeq };
    const rows = yield* insertMessages({ ...place, ...last, messages });
    this.#senderSeq += accepted.length;
    for (const [index, row] of rows.entries()) {
      const at = accepted[index];
      if (at === undefined) continue;
      for (const fileId of at.fileIds) yield* referToFile(fileId, row.id);
      this.#outcomes[at.place] = { message: mapNewMessage(row), isNew: true };
    }
  }
}

/**
 * Returns the message that a repeated client id is answered with.
 *
 * @throws CommError `CONFLICT` if it is in another conversation
 */
export function* knownMessage(stored: StoredMessage, conversationId: string, isMember: boolean): Work<Message> {
  const row = yield* findMessage(String(stored.id));
  if (row?.conversation_id !== conversationId) throw conflict('clientId is already used by another message');
  // Readers and reactions are visible to members only.
  return isMember ? yield* mapMessage(row) : mapNewMessage(row);
}

/** @throws the error itself if it isn't about the message */
function rejectionOf(error: unknown): SendOutcome {
  if (!isCommError(error)) throw error;
  return { rejection: error };
}

function columnsOf(request: SendMessage, replyTo: string | undefined): ChosenColumns {
  const { content, type, envelope, linkPreview, clientId } = request;
  return {
    content: envelope === undefined ? content : JSON.stringify(envelope),
    type,
    reply_to: replyTo ?? null,
    attachment: storeAttachments(request),
    encrypted: envelope === undefined ? 0 : 1,
    client_id: clientId ?? null,
    link_preview: linkPreview === undefined ? null : JSON.stringify(linkPreview),
  };
}

/** A value of digits only is never a client id. */
function isClientId(messageId: string): boolean {
  return rowIdOf(messageId) === undefined;
}

function defined(values: readonly (string | undefined)[]): string[] {
  return values.filter((value) => value !== undefined);
}
