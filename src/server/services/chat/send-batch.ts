import { isCommError, type CommError } from '../../../protocol/errors.ts';
import type { Message, SendMessage } from '../../../protocol/messages.ts';
import { takeSeq } from '../../store/queries/counters.ts';
import { referToFile } from '../../store/queries/files.ts';
import {
  insertMessages,
  messagesByIds,
  senderFacts,
  type ChosenColumns,
  type PlacedColumns,
  type SenderFacts,
  type StoredMessage,
} from '../../store/queries/message-batches.ts';
import { mapMessage, mapMessages, mapNewMessage } from '../../store/queries/message-mapper.ts';
import { findMessage, UNCHANGED } from '../../store/queries/messages.ts';
import { storeAttachments, type Attachments } from '../../store/queries/stored-attachments.ts';
import { rowIdOf, wireId, type MessageRow } from '../../store/queries/rows.ts';
import { addMentions } from '../../store/queries/threads/mentions.ts';
import { addReply, storeThread, threadOf, type Thread } from '../../store/queries/threads/threads.ts';
import type { Work } from '../../store/engine/work.ts';
import { checkRecipient } from '../e2ee/check-envelope.ts';
import { writeMetadata } from './metadata.ts';
import { conflict, invalid, mayNotContact, notFound } from '../errors.ts';
import { requireMentioned } from './threads/check-mentions.ts';
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

/** A message that is not inserted yet. */
interface Accepted {
  /** Its place among the outcomes. */
  readonly place: number;
  readonly columns: ChosenColumns;
  readonly fileIds: readonly string[];
  readonly reply: { readonly rootId: string; readonly isSide: boolean } | undefined;
}

/**
 * Stores messages of one sender in one conversation, in order. For plain messages this takes few statements: what decides about
 * them is read by one, the counters are advanced by one, and each statement that inserts rows inserts up to 32.
 * Files, envelopes, mentions, threads, replies within the batch and repeated messages take statements of their own. A message that is rejected
 * doesn't affect the others.
 */
export class SendBatch {
  readonly #options: SendBatchOptions;
  readonly #outcomes: SendOutcome[] = [];
  /** Accepted messages that are not inserted yet, with their places among the outcomes. */
  #accepted: Accepted[] = [];
  /** Places of the accepted messages by client id. */
  readonly #places = new Map<string, number>();
  /** The stored messages that the requests name, by client id and by id on the wire. */
  #own: ReadonlyMap<string, StoredMessage> = new Map();
  #named: ReadonlyMap<string, StoredMessage> = new Map();
  #isMember = false;
  #posting: SenderFacts['posting'];
  /** Time of the sender's last message, for the slow mode. */
  #lastSentAt: string | null = null;
  #isBlocked = false;
  #senderSeq = 0;
  /** Recipients of envelopes that were found valid. */
  readonly #recipients = new Set<string>();
  /** Users who were found to be participants. */
  readonly #mentioned = new Set<string>();
  readonly #threads = new Map<string, Thread>();
  readonly #roots: Message[] = [];

  constructor(options: SendBatchOptions) {
    this.#options = options;
  }

  /** The roots of threads with new replies, each with its new revision, in the order of these. */
  get roots(): readonly Message[] {
    return this.#roots;
  }

  /** Stores the messages and returns their outcomes, in the order of the requests. Call it once. */
  *store(): Work<readonly SendOutcome[]> {
    const { requests } = this.#options;
    const replies = defined(requests.flatMap(({ replyTo, threadId }) => [replyTo, threadId]));
    const clientIds = defined(requests.flatMap(({ clientId, afterClientId }) => [clientId, afterClientId]));
    const facts = yield* senderFacts(this.#options, [...clientIds, ...replies.filter(isClientId)]);
    this.#isMember = facts.isMember;
    this.#posting = this.#options.isTrusted ? undefined : facts.posting;
    this.#lastSentAt = facts.lastSentAt;
    this.#isBlocked = facts.isBlocked;
    this.#senderSeq = facts.senderSeq;
    this.#own = facts.own;
    this.#named = yield* messagesByIds(replies);
    for (const [place, request] of requests.entries()) yield* this.#add(place, request);
    yield* this.#insert();
    return this.#outcomes;
  }

  *#add(place: number, request: SendMessage): Work<void> {
    const { clientId, replyTo, threadId } = request;
    // Checked first: a stored message stays sent, even if its sender has left since.
    const duplicate = clientId === undefined ? undefined : this.#own.get(clientId);
    if (duplicate !== undefined) {
      this.#outcomes[place] = yield* this.#known(duplicate, request);
      return;
    }
    const first = clientId === undefined ? undefined : this.#places.get(clientId);
    const original = this.#places.get(replyTo ?? '') ?? this.#places.get(threadId ?? '');
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
      const rootId = threadId === undefined ? undefined : this.#rootOf(threadId);
      const reply = rootId === undefined ? undefined : { rootId, isSide: request.alsoInConversation !== true };
      this.#lastSentAt = this.#options.createdAt;
      this.#accepted.push({ place, columns: columnsOf(request, this.#originalOf(replyTo)), fileIds, reply });
      if (clientId !== undefined) this.#places.set(clientId, place);
    } catch (error) {
      this.#outcomes[place] = rejectionOf(error);
    }
  }

  /** @throws CommError `NOT_FOUND`, `FORBIDDEN`, `CONFLICT`, `INVALID`, `RATE_LIMITED` */
  *#check({ afterClientId, replyTo, threadId, mentions, envelope }: SendMessage): Work<void> {
    const { conversationId } = this.#options;
    if (!this.#isMember) throw notFound();
    if (this.#isBlocked) throw mayNotContact();
    if (this.#posting !== undefined) requireUnfrozen(this.#posting);
    if (afterClientId !== undefined && !this.#places.has(afterClientId)) {
      const predecessor = this.#own.get(afterClientId);
      if (predecessor?.conversation_id !== conversationId) {
        throw conflict('The message named by afterClientId is not stored');
      }
    }
    if (replyTo !== undefined && this.#originalOf(replyTo) === undefined) {
      throw invalid('replyTo must be a message of this conversation');
    }
    if (threadId !== undefined && this.#rootOf(threadId) === undefined) {
      throw invalid('threadId must be a message of this conversation');
    }
    if (mentions !== undefined) yield* requireMentioned(conversationId, mentions, this.#mentioned);
    if (envelope !== undefined && !this.#recipients.has(envelope.recipientId)) {
      yield* checkRecipient(conversationId, envelope);
      this.#recipients.add(envelope.recipientId);
    }
    // Last: a message that is rejected for good is not worth the wait.
    if (this.#posting !== undefined) requireSlowMode(this.#posting, this.#lastSentAt, this.#options.createdAt);
  }

  /** Returns the id on the wire of the message that is replied to, if it is in the conversation. */
  #originalOf(replyTo: string | undefined): string | undefined {
    if (replyTo === undefined) return undefined;
    const inBatch = this.#inBatch(replyTo);
    if (inBatch !== undefined) return 'message' in inBatch ? inBatch.message.id : undefined;
    const stored = this.#storedHere(replyTo);
    return stored && wireId(stored);
  }

  /** Returns the id on the wire of the root of the thread of a message, if it is in the conversation. */
  #rootOf(messageId: string): string | undefined {
    const inBatch = this.#inBatch(messageId);
    if (inBatch !== undefined) {
      return 'message' in inBatch ? (inBatch.message.threadId ?? inBatch.message.id) : undefined;
    }
    const stored = this.#storedHere(messageId);
    return stored && (stored.thread_id ?? wireId(stored));
  }

  #inBatch(messageId: string): SendOutcome | undefined {
    return this.#outcomes[this.#places.get(messageId) ?? -1];
  }

  #storedHere(messageId: string): StoredMessage | undefined {
    const { conversationId } = this.#options;
    return [this.#named.get(messageId), this.#own.get(messageId)].find(
      (found) => found?.conversation_id === conversationId,
    );
  }

  *#known(stored: StoredMessage, request: SendMessage): Work<SendOutcome> {
    try {
      const message = yield* knownMessage(stored, this.#options.conversationId, this.#isMember, request);
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
    const threads = yield* this.#threadsOf(accepted);
    const sides = accepted.filter(({ reply }) => reply?.isSide === true);
    const [firstSide] = sides;
    const last = yield* takeSeq(
      conversationId,
      createdAt,
      accepted.length,
      threads.size === 0
        ? undefined
        : { roots: threads.size, sides: sides.length, firstSide: firstSide ? accepted.indexOf(firstSide) + 1 : 0 },
    );
    const messages = this.#place(accepted, last.sideSeq - sides.length);
    const rows = yield* insertMessages({ senderId, conversationId, createdAt, ...last, messages });
    this.#senderSeq += accepted.length - sides.length;
    for (const [index, row] of rows.entries()) {
      const at = accepted[index];
      if (at === undefined) continue;
      for (const fileId of at.fileIds) yield* referToFile(fileId, row.id);
      const thread = at.reply && this.#threads.get(at.reply.rootId);
      yield* addMentions(row, at.reply?.isSide === true && thread !== undefined ? thread.root.id : 0);
      if (at.reply !== undefined && thread !== undefined) {
        this.#threads.set(at.reply.rootId, yield* addReply(thread, row));
      }
      this.#outcomes[at.place] = { message: mapNewMessage(row), isNew: true };
    }
    yield* this.#storeThreads(threads, last.rev - accepted.length - threads.size);
  }

  /** Loads the threads of new replies. @returns their ids */
  *#threadsOf(accepted: readonly Accepted[]): Work<ReadonlySet<string>> {
    const ids = new Set(defined(accepted.map(({ reply }) => reply?.rootId)));
    for (const id of ids) {
      if (this.#threads.has(id)) continue;
      const root = yield* findMessage(id);
      if (root === undefined) throw new Error('The root of a thread is missing');
      this.#threads.set(id, yield* threadOf(root));
    }
    return ids;
  }

  /** Returns the columns with the places of the messages. @param sideSeq - number of replies outside the main timeline before */
  #place(accepted: readonly Accepted[], sideSeq: number): PlacedColumns[] {
    const totals = new Map<string, number>();
    let [sides, own] = [sideSeq, this.#senderSeq];
    return accepted.map(({ columns, reply }) => {
      const rootId = reply?.rootId ?? '';
      const total = (totals.get(rootId) ?? this.#threads.get(rootId)?.total ?? 0) + 1;
      totals.set(rootId, total);
      if (reply?.isSide === true) sides += 1;
      else own += 1;
      return {
        ...columns,
        thread_id: reply?.rootId ?? null,
        side: reply?.isSide === true ? 1 : 0,
        side_seq: sides,
        thread_seq: reply === undefined ? null : total,
        sender_seq: own,
      };
    });
  }

  /** @param rev - revision before that of the first root */
  *#storeThreads(ids: ReadonlySet<string>, rev: number): Work<void> {
    const roots: MessageRow[] = [];
    for (const id of ids) {
      const thread = this.#threads.get(id);
      if (thread === undefined) continue;
      const root = yield* storeThread(thread, rev + roots.length + 1);
      this.#threads.set(id, { ...thread, root });
      roots.push(root);
    }
    this.#roots.push(...(yield* mapMessages(roots)));
  }
}

/**
 * Returns the message that a repeated client id is answered with. A sender who isn't a member any more is shown what they sent and
 * its place, and nothing that has happened to the message since.
 *
 * @param request - what is sent again, if it has the content
 * @throws CommError `CONFLICT` if it is in another conversation
 */
export function* knownMessage(
  stored: StoredMessage,
  conversationId: string,
  isMember: boolean,
  request?: SendMessage,
): Work<Message> {
  const row = yield* findMessage(String(stored.id));
  if (row?.conversation_id !== conversationId) throw conflict('clientId is already used by another message');
  if (isMember) return yield* mapMessage(row);
  const sent = request && columnsOf(request, row.reply_to ?? undefined);
  // The revision tells whether the message was changed.
  const { rev: _rev, ...message } = mapNewMessage({ ...row, ...UNCHANGED, thread: null, ...sent });
  return message;
}

/** @throws the error itself if it isn't about the message */
function rejectionOf(error: unknown): SendOutcome {
  if (!isCommError(error)) throw error;
  return { rejection: error };
}

function columnsOf(request: SendMessage, replyTo: string | undefined): ChosenColumns {
  const { content, type, envelope, linkPreview, metadata, clientId, mentions = [] } = request;
  return {
    content: envelope === undefined ? content : JSON.stringify(envelope),
    type,
    reply_to: replyTo ?? null,
    attachment: storeAttachments(request),
    encrypted: envelope === undefined ? 0 : 1,
    client_id: clientId ?? null,
    link_preview: linkPreview === undefined ? null : JSON.stringify(linkPreview),
    mentions: mentions.length === 0 ? null : JSON.stringify(mentions),
    metadata: writeMetadata(metadata),
  };
}

/** A value of digits only is never a client id. */
function isClientId(messageId: string): boolean {
  return rowIdOf(messageId) === undefined;
}

function defined(values: readonly (string | undefined)[]): string[] {
  return values.filter((value) => value !== undefined);
}
