import { isCommError } from '../../../protocol/errors.ts';
import type { ForwardMessage, Message, SendMessage } from '../../../protocol/messages.ts';
import { referToFile } from '../../store/queries/files.ts';
import { takeSeq } from '../../store/queries/counters.ts';
import { senderFacts } from '../../store/queries/message-batches.ts';
import { advanceDeliveryMarkers, slowestMarkers } from '../../store/queries/receipts.ts';
import { statusChanges, type StatusChange } from '../../store/queries/status-changes.ts';
import { findMessage, insertMessage, type NewMessage } from '../../store/queries/messages.ts';
import { parsed, wireId } from '../../store/queries/rows.ts';
import { attachmentsOf, storedAttachmentsSchema, type Attachments } from '../../store/queries/stored-attachments.ts';
import { mapMessage, mapNewMessage } from '../../store/queries/message-mapper.ts';
import { typeOfConversation } from '../../store/queries/user-data/erased-rows.ts';
import type { Work } from '../../store/engine/work.ts';
import { conversationKey, userKey } from '../../store/write-keys.ts';
import { isoNow, type ServiceDeps } from '../service-deps.ts';
import { attachableFiles } from '../files/attachable-files.ts';
import { isServerWritten, messageFor } from './message-access.ts';
import { checkLength, checkMessage } from './check-message.ts';
import { readsCaptions, withoutFileName } from './file-names.ts';
import { writeMetadata } from './metadata.ts';
import type { MessagePolicy } from '../moderation/message-policy.ts';
import type { Caller } from '../ports.ts';
import { conflict, invalid, mayNotContact, notFound } from '../errors.ts';
import { pushStatuses } from './push-statuses.ts';
import { requireSlowMode, requireUnfrozen } from './posting-rules.ts';
import { pushUpdated } from './push-updated.ts';
import { knownMessage, SendBatch, type SendOutcome } from './send-batch.ts';

type Draft = Omit<NewMessage, 'seq' | 'rev' | 'sideSeq' | 'createdAt'>;

/** A message that was stored, now or before; then nothing is pushed. */
type Sent = Extract<SendOutcome, { readonly message: unknown }>;

/** Messages that were stored in one conversation. */
interface Stored {
  readonly conversationId: string;
  readonly sent: readonly Sent[];
  /** Root messages of threads with new replies, each with its new revision. */
  readonly roots?: readonly Message[] | undefined;
  readonly delivered: readonly StatusChange[];
}

/** Rows that a reply counts as, besides its own: its thread, the root and who follows the thread. */
const ROWS_PER_REPLY = 3;
/** Rows that an attachment counts as: the server looks up its file and who may attach it, and refers to it. */
const ROWS_PER_ATTACHMENT = 4;
/** Rows above which messages of one batch are committed separately: more than the longest batch without attachments. */
const MAX_BATCH_ROWS = 128;

/** `senderId` of messages of the app itself. No user should have this id. */
export const SYSTEM_SENDER_ID = 'system';

/** A message that the server writes on behalf of a user. */
export interface ServerMessage {
  /** Conversation to write to. */
  readonly conversationId: string;
  /** User on whose behalf the message is written. */
  readonly senderId: string;
  /** Type of the message. */
  readonly type: 'call' | 'system';
  /** Content of the message. */
  readonly content: string;
  /** Id on the wire, such as `call-<uuid>`; makes the write idempotent. If absent, the id is decimal. */
  readonly publicId?: string | undefined;
}

/** Stores new messages, acknowledges them and pushes them in the order of their `seq`. */
export class SendService {
  readonly #deps: ServiceDeps;
  readonly #policy: MessagePolicy;
  #stored = 0;

  /** @param policy - decides about messages before they are stored */
  constructor(deps: ServiceDeps, policy: MessagePolicy) {
    this.#deps = deps;
    this.#policy = policy;
  }

  /**
   * Stores a message and pushes it to the conversation. Idempotent: a repeated client id returns the stored message.
   *
   * @throws CommError `NOT_FOUND` if the caller isn't a member, `FORBIDDEN` if the other participant has blocked the caller, `CONFLICT` if `afterClientId` isn't stored or the
   * client id belongs to another message, `INVALID`, and the errors of {@link checkMessage}
   */
  async send(caller: Caller, request: SendMessage): Promise<Message> {
    const [outcome] = await this.sendAll(caller, [request]);
    if (outcome?.status !== 'fulfilled') throw outcome?.reason;
    return outcome.value;
  }

  /**
   * Stores messages and pushes them, in order. Each is handled as by {@link SendService.send}; those of one conversation
   * are stored together, unless they have many attachments.
   *
   * @returns for each request the stored message, or the error with which it is rejected. Never rejects.
   */
  async sendAll(caller: Caller, requests: readonly SendMessage[]): Promise<readonly PromiseSettledResult<Message>[]> {
    const results: PromiseSettledResult<Message>[] = [];
    const conversations = new Map<string, number[]>();
    for (const [place, request] of requests.entries()) {
      try {
        checkMessage(caller.userId, request, this.#deps.config);
        const places = conversations.get(request.conversationId);
        if (places === undefined) conversations.set(request.conversationId, [place]);
        else places.push(place);
      } catch (reason) {
        results[place] = { status: 'rejected', reason };
      }
    }
    const sending = Array.from(conversations, async ([conversationId, places]) => {
      const wanted = places.flatMap((place) => requests[place] ?? []);
      const normalized = readsCaptions(caller) ? wanted : wanted.map(withoutFileName);
      const settled = await this.#policy.send(caller, conversationId, normalized, async (accepted) => {
        // All are queued now, so that they are stored before what is sent later.
        const batches = batchesOf(accepted).map((batch) => this.#sendInto(conversationId, caller, batch));
        return (await Promise.all(batches)).flat();
      });
      for (const [index, place] of places.entries()) {
        const result = settled[index];
        if (result !== undefined) results[place] = result;
      }
    });
    await Promise.all(sending);
    return results;
  }

  /** Number of messages that this process has stored, those of the server included. */
  get stored(): number {
    return this.#stored;
  }

  async #sendInto(
    conversationId: string,
    caller: Caller,
    requests: readonly SendMessage[],
  ): Promise<readonly PromiseSettledResult<Message>[]> {
    const { store, clock } = this.#deps;
    const { userId: senderId, trusted: isTrusted = false } = caller;
    const deliver = this.#deliverToBase.bind(this);
    const filesOf = this.#attachableFiles.bind(this, conversationId, senderId);
    const work = function* (): Work<Stored & { outcomes: readonly SendOutcome[] }> {
      const batch = new SendBatch({ conversationId, senderId, isTrusted, requests, createdAt: isoNow(clock), filesOf });
      const outcomes = yield* batch.store();
      const sent = outcomes.filter((outcome) => 'message' in outcome);
      const last = sent.findLast(({ isNew }) => isNew)?.message.seq;
      const delivered = last === undefined ? [] : yield* deliver(conversationId, senderId, last);
      return { conversationId, outcomes, sent, roots: batch.roots, delivered };
    };
    try {
      const rows = (): number => requests.reduce((sum, request) => sum + rowsOf(request), 0);
      const keys = (): readonly string[] | undefined => this.#keysOf(conversationId, caller, requests);
      const { outcomes } = await store.write(work, (stored) => this.#broadcast(caller, stored), { rows, keys });
      return outcomes.map((outcome) =>
        'message' in outcome
          ? { status: 'fulfilled', value: outcome.message }
          : { status: 'rejected', reason: outcome.rejection },
      );
    } catch (reason) {
      if (requests.length === 1 || isCommError(reason)) return requests.map(() => ({ status: 'rejected', reason }));
      // The database rejects one of them, for example by a trigger of the app.
      return (await Promise.all(requests.map((request) => this.#sendInto(conversationId, caller, [request])))).flat();
    }
  }

  /**
   * Client ids are unique among all messages of a user. A file may be referred to in several conversations, so messages with files
   * declare nothing.
   */
  #keysOf(conversationId: string, { userId }: Caller, requests: readonly SendMessage[]): readonly string[] | undefined {
    if (this.#deps.storesFiles() && requests.some((request) => attachmentsOf(request).length > 0)) return undefined;
    const hasClientId = requests.some(({ clientId }) => clientId !== undefined);
    return hasClientId ? [conversationKey(conversationId), userKey(userId)] : [conversationKey(conversationId)];
  }

  /** Sends a copy of a message to another conversation. Idempotent if the request has a client id. */
  async forward(caller: Caller, request: ForwardMessage): Promise<Message> {
    return await this.#policy.forward(caller, request, (reviewed) => this.#forward(caller, request, reviewed));
  }

  /** @param reviewed - replaces what the original has */
  async #forward(
    caller: Caller,
    request: ForwardMessage,
    reviewed: Pick<SendMessage, 'content' | 'metadata'> | undefined,
  ): Promise<Message> {
    const { userId: senderId } = caller;
    const { budgets, broadcaster, clock, store } = this.#deps;
    const { messageId, fromConversationId, toConversationId: conversationId, clientId } = request;
    const append = this.#append.bind(this);
    const work = function* (): Work<Stored> {
      const facts = yield* senderFacts({ conversationId, senderId }, clientId === undefined ? [] : [clientId]);
      const known = clientId === undefined ? undefined : facts.own.get(clientId);
      if (known !== undefined) return alone(yield* knownMessage(known, conversationId, facts.isMember), false);
      const original = yield* messageFor(senderId, { conversationId: fromConversationId, messageId }, 'forward');
      if (original.deleted_at !== null) throw conflict('The message is deleted');
      if (original.encrypted !== 0) throw invalid('The server cannot forward an encrypted message');
      if (isServerWritten(original)) throw invalid('A message written by the server cannot be forwarded');
      const draft: Draft = {
        conversationId,
        senderId,
        content: reviewed?.content ?? original.content,
        metadata: (reviewed === undefined ? original.metadata : writeMetadata(reviewed.metadata)) ?? undefined,
        type: original.type,
        attachment: original.attachment ?? undefined,
        linkPreview:
          (reviewed?.content ?? original.content) === original.content
            ? (original.link_preview ?? undefined)
            : undefined,
        encrypted: false,
        clientId,
        forwardedFrom: { conversationId: fromConversationId, messageId: wireId(original) },
      };
      budgets.chargeStoredBytes(
        caller,
        Buffer.byteLength(draft.content + (draft.attachment ?? '') + (draft.metadata ?? '')),
      );
      const { posting } = facts;
      if (posting === undefined) throw notFound();
      if (facts.isBlocked) throw mayNotContact();
      if (caller.trusted !== true) {
        requireUnfrozen(posting);
        requireSlowMode(posting, facts.lastSentAt, isoNow(clock));
      }
      return yield* append(draft);
    };
    const stored = await store.write(work, (committed) => {
      this.#broadcast(caller, committed);
      for (const { message, isNew } of committed.sent) {
        if (isNew) broadcaster.toConversation(conversationId, { event: 'message:forwarded', data: message });
      }
    });
    return messageOf(stored);
  }

  /**
   * Writes a message of the app itself. Base clients show it like any other.
   *
   * @throws CommError `NOT_FOUND`, `MESSAGE_TOO_LONG`, `INVALID`
   */
  async sendSystem(conversationId: string, content: string): Promise<Message> {
    checkLength(content, this.#deps.config);
    if (content.trim() === '') throw invalid('content must not be empty');
    return await this.appendServerMessage({ conversationId, senderId: SYSTEM_SENDER_ID, type: 'system', content });
  }

  /**
   * Writes a message that clients may not send, such as a call log. The caller of this method has authorized it.
   *
   * @throws CommError `NOT_FOUND` if there is no such conversation
   */
  async appendServerMessage({ publicId, ...message }: ServerMessage): Promise<Message> {
    const append = this.#append.bind(this);
    const work = function* (): Work<Stored> {
      const known = publicId === undefined ? undefined : yield* findMessage(publicId);
      if (known !== undefined) return alone(yield* mapMessage(known), false);
      if ((yield* typeOfConversation(message.conversationId)) === undefined) throw notFound();
      return yield* append({ ...message, publicId, encrypted: false });
    };
    const keys = (): readonly string[] => [conversationKey(message.conversationId)];
    return messageOf(await this.#deps.store.write(work, (stored) => this.#broadcast(undefined, stored), { keys }));
  }

  *#append(draft: Draft): Work<Stored> {
    const { conversationId, senderId } = draft;
    const files = draft.attachment === undefined ? undefined : parsed(storedAttachmentsSchema, draft.attachment);
    const fileIds = yield* this.#attachableFiles(conversationId, senderId, files ?? {});
    const createdAt = isoNow(this.#deps.clock);
    const place = yield* takeSeq(conversationId, createdAt);
    const row = yield* insertMessage({ ...draft, ...place, createdAt });
    for (const fileId of fileIds) yield* referToFile(fileId, row.id);
    return alone(mapNewMessage(row), true, yield* this.#deliverToBase(conversationId, senderId, place.seq));
  }

  /** @throws CommError `INVALID` for a file of this server that the sender may not attach */
  *#attachableFiles(conversationId: string, senderId: string, message: Attachments): Work<readonly string[]> {
    const { config, storesFiles } = this.#deps;
    const fileIds: string[] = [];
    if (!storesFiles()) return fileIds;
    for (const attachment of attachmentsOf(message)) {
      fileIds.push(...(yield* attachableFiles(senderId, conversationId, attachment, config)));
    }
    return fileIds;
  }

  /**
   * Advances the delivery markers of users with a base client in the room, which sends no receipts: it counts as having
   * received the messages up to `seq`.
   */
  *#deliverToBase(conversationId: string, senderId: string, seq: number): Work<readonly StatusChange[]> {
    const receivers = this.#deps.broadcaster.baseReceivers(conversationId).filter((userId) => userId !== senderId);
    if (receivers.length === 0) return [];
    const { delivered: before } = yield* slowestMarkers(conversationId);
    const marks = new Map(receivers.map((userId) => [userId, seq]));
    if (!(yield* advanceDeliveryMarkers(conversationId, marks))) return [];
    return yield* statusChanges(conversationId, before, (yield* slowestMarkers(conversationId)).delivered);
  }

  #broadcast(caller: Caller | undefined, { conversationId, sent, roots = [], delivered }: Stored): void {
    const { broadcaster } = this.#deps;
    const rootsLeft = [...roots];
    for (const { message, isNew } of sent) {
      // In the order of the revisions. The root of a thread precedes its replies.
      const rev = isNew ? (message.rev ?? 0) : 0;
      while ((rootsLeft[0]?.rev ?? Infinity) < rev) pushUpdated(broadcaster, rootsLeft.shift());
      if (caller?.socketId !== undefined && !caller.caps.has('ack')) {
        const { id: messageId, seq } = message;
        broadcaster.toSocket(caller.socketId, {
          event: 'message:status',
          data: { messageId, status: 'sent', conversationId, seq },
        });
      }
      if (!isNew) continue;
      this.#stored += 1;
      broadcaster.toConversation(conversationId, { event: 'message:new', data: message });
    }
    pushStatuses(broadcaster, conversationId, 'delivered', delivered);
  }
}

/** About how many rows a message takes. */
function rowsOf(request: SendMessage): number {
  const { threadId, mentions = [] } = request;
  const rows = ROWS_PER_ATTACHMENT * attachmentsOf(request).length + mentions.length;
  return 1 + rows + (threadId === undefined ? 0 : ROWS_PER_REPLY);
}

/** Divides messages into parts of at most {@link MAX_BATCH_ROWS}, in order. */
function batchesOf(requests: readonly SendMessage[]): SendMessage[][] {
  const batches: SendMessage[][] = [];
  let rows = Number.POSITIVE_INFINITY;
  for (const request of requests) {
    rows += rowsOf(request);
    if (rows > MAX_BATCH_ROWS) {
      batches.push([]);
      rows = rowsOf(request);
    }
    batches.at(-1)?.push(request);
  }
  return batches;
}

function alone(message: Message, isNew: boolean, delivered: readonly StatusChange[] = []): Stored {
  return { conversationId: message.conversationId, sent: [{ message, isNew }], delivered };
}

function messageOf({ sent: [first] }: Stored): Message {
  if (first === undefined) throw new Error('No message was stored');
  return first.message;
}
