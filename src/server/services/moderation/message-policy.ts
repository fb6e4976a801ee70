import * as v from 'valibot';
import { KeyedQueue } from '../../../lib/keyed-queue.ts';
import { errorFields } from '../../../lib/logger.ts';
import { CommError } from '../../../protocol/errors.ts';
import type { ChangeOnce, EditMessage, ForwardMessage, Message, SendMessage } from '../../../protocol/messages.ts';
import { sendMessageSchema } from '../../../protocol/messages.ts';
import type { ProposedMessage, ServerHooks } from '../../hooks.ts';
import { parseInput } from '../../parse-input.ts';
import type { Work } from '../../store/engine/work.ts';
import { findIdempotencyKey } from '../../store/queries/idempotency-keys.ts';
import { senderFacts, type SenderFacts } from '../../store/queries/message-batches.ts';
import { toMessage, wireId, type MessageRow } from '../../store/queries/rows.ts';
import { askHook } from '../ask-hook.ts';
import { checkEdit, checkMessage } from '../chat/check-message.ts';
import { isServerWritten, messageFor } from '../chat/message-access.ts';
import { notFound } from '../errors.ts';
import type { Caller } from '../ports.ts';
import type { ServiceDeps } from '../service-deps.ts';

const HOOK_TIMEOUT_MS = 2_000;

/** What the hook may replace. */
type Changeable = Pick<SendMessage, 'content' | 'metadata' | 'mentions'>;
type Verdict = { readonly accepted: SendMessage } | { readonly rejection: unknown };
type Sent = PromiseSettledResult<Message>;

const changesSchema = v.object({
  content: v.optional(sendMessageSchema.entries.content),
  metadata: sendMessageSchema.entries.metadata,
  mentions: sendMessageSchema.entries.mentions,
});

/**
 * Asks the hook `beforeMessage` about new messages, forwarded ones and edits. What a user sends to a conversation is stored in
 * the order in which it arrived, however long the hook takes for each. A message that is stored, or about which the hook is being
 * asked, is not asked about again when its client id is repeated.
 */
export class MessagePolicy {
  readonly #deps: ServiceDeps;
  /** By sender and conversation. */
  readonly #order = new KeyedQueue<string>();
  /** Verdicts about messages that are not stored yet, by sender, conversation and client id. */
  readonly #verdicts = new Map<string, Promise<Verdict>>();

  constructor(deps: ServiceDeps) {
    this.#deps = deps;
  }

  /**
   * Asks about messages of one conversation and stores the accepted ones.
   *
   * @param store - never rejects
   * @returns the result of each request. Never rejects.
   */
  async send(
    caller: Caller,
    conversationId: string,
    requests: readonly SendMessage[],
    store: (accepted: readonly SendMessage[]) => Promise<readonly Sent[]>,
  ): Promise<readonly Sent[]> {
    const hook = this.#hookFor(caller);
    if (hook === undefined) return await store(requests);
    const asked = this.#verdictsOf(hook, caller, conversationId, requests);
    const { verdicts, stored } = await this.#inOrder(caller, conversationId, async () => {
      const verdicts = await Promise.all(asked);
      const accepted = verdicts.flatMap((verdict) => ('accepted' in verdict ? [verdict.accepted] : []));
      return { verdicts, stored: accepted.length === 0 ? [] : await store(accepted) };
    });
    for (const [at, request] of requests.entries()) {
      const key = keyOf(caller, request);
      if (key !== undefined && this.#verdicts.get(key) === asked[at]) this.#verdicts.delete(key);
    }
    const results = stored.values();
    return verdicts.map((verdict): Sent => {
      if ('rejection' in verdict) return { status: 'rejected', reason: verdict.rejection };
      return results.next().value ?? { status: 'rejected', reason: new Error('A message has no result') };
    });
  }

  /** Asks about an edit and applies it. @throws CommError of the hook, and the errors of `apply` */
  async edit(
    caller: Caller,
    request: EditMessage & ChangeOnce,
    apply: (reviewed: EditMessage & ChangeOnce) => Promise<Message>,
  ): Promise<Message> {
    const hook = this.#hookFor(caller);
    if (hook === undefined) return await apply(request);
    const { conversationId, clientId } = request;
    return await this.#inOrder(caller, conversationId, async () => {
      const { row, isRepeated } = await this.#deps.store.read(function* () {
        const row = yield* messageFor(caller.userId, request, 'edit');
        const known = clientId === undefined ? undefined : yield* findIdempotencyKey(caller.userId, clientId);
        return { row, isRepeated: known !== undefined };
      });
      if (isRepeated || row.deleted_at !== null || isServerWritten(row)) return await apply(request);
      const { content, metadata, mentions, envelope } = request;
      const proposed = { ...proposalOf(row), messageId: wireId(row), clientId, metadata, mentions };
      const isEncrypted = envelope !== undefined;
      const changes = await this.#ask(hook, caller, { ...proposed, content: isEncrypted ? '' : content }, isEncrypted);
      const reviewed = { ...request, ...changes };
      this.#requireValid(() => checkEdit(caller.userId, reviewed, this.#deps.config));
      return await apply(reviewed);
    });
  }

  /**
   * Asks about a message to forward and stores it.
   *
   * @param store - stores the message with this content and metadata; `undefined` for those of the original
   * @throws CommError of the hook, and the errors of `store`
   */
  async forward(
    caller: Caller,
    request: ForwardMessage,
    store: (reviewed: Changeable | undefined) => Promise<Message>,
  ): Promise<Message> {
    const hook = this.#hookFor(caller);
    if (hook === undefined) return await store(undefined);
    const { userId: senderId } = caller;
    const { messageId, fromConversationId, toConversationId: conversationId, clientId } = request;
    return await this.#inOrder(caller, conversationId, async () => {
      const original = await this.#deps.store.read(function* (): Work<MessageRow | undefined> {
        const facts = yield* senderFacts({ conversationId, senderId }, clientId === undefined ? [] : [clientId]);
        if (clientId !== undefined && facts.own.has(clientId)) return undefined;
        if (!facts.isMember) throw notFound();
        return yield* messageFor(senderId, { conversationId: fromConversationId, messageId }, 'forward');
      });
      const isRefused =
        original === undefined || original.deleted_at !== null || original.encrypted !== 0 || isServerWritten(original);
      if (isRefused) return await store(undefined);
      const proposed = { ...proposalOf(original), conversationId, senderId, clientId };
      const { content, metadata } = { ...proposed, ...(await this.#ask(hook, caller, proposed, false)) };
      return await store({ content, metadata });
    });
  }

  #hookFor({ trusted }: Caller): ServerHooks['beforeMessage'] {
    return trusted === true ? undefined : this.#deps.hooks.beforeMessage;
  }

  #inOrder<T>({ userId }: Caller, conversationId: string, task: () => Promise<T>): Promise<T> {
    return this.#order.run(JSON.stringify([userId, conversationId]), task);
  }

  /** Creates the verdicts now, so that a repeated request finds the one of the first. They never reject. */
  #verdictsOf(
    hook: NonNullable<ServerHooks['beforeMessage']>,
    caller: Caller,
    conversationId: string,
    requests: readonly SendMessage[],
  ): Promise<Verdict>[] {
    const clientIds = requests.map(({ clientId }) => clientId).filter((id) => id !== undefined);
    const read = (): Promise<SenderFacts> =>
      this.#deps.store.read(() => senderFacts({ conversationId, senderId: caller.userId }, clientIds));
    // Not read if the hook is called for all of them: a rejection would be unhandled.
    let facts: Promise<SenderFacts> | undefined;
    const verdictOf = async (request: SendMessage): Promise<Verdict> => {
      try {
        const { isMember, own } = await (facts ??= read());
        if (request.clientId !== undefined && own.has(request.clientId)) return { accepted: request };
        if (!isMember) throw notFound();
        return { accepted: await this.#review(hook, caller, request) };
      } catch (rejection) {
        return { rejection };
      }
    };
    return requests.map((request) => {
      const key = keyOf(caller, request);
      if (key === undefined) return verdictOf(request);
      const verdict = this.#verdicts.get(key) ?? verdictOf(request);
      this.#verdicts.set(key, verdict);
      return verdict;
    });
  }

  async #review(
    hook: NonNullable<ServerHooks['beforeMessage']>,
    caller: Caller,
    request: SendMessage,
  ): Promise<SendMessage> {
    const { envelope, afterClientId: _after, ...rest } = request;
    const isEncrypted = envelope !== undefined;
    const proposed = { ...rest, content: isEncrypted ? '' : request.content, senderId: caller.userId };
    const changes = await this.#ask(hook, caller, proposed, isEncrypted);
    if (Object.keys(changes).length === 0) return request;
    const { linkPreview, ...changed } = { ...request, ...changes };
    const keepsLink = linkPreview !== undefined && changed.content.includes(linkPreview.url);
    const reviewed: SendMessage = { ...changed, ...(keepsLink && { linkPreview }) };
    this.#requireValid(() => checkMessage(caller.userId, reviewed, this.#deps.config));
    return reviewed;
  }

  /**
   * @param isSealed - the hook can't see what it would change
   * @returns what the hook has changed
   * @throws CommError of the hook; `INTERNAL` if it fails, doesn't answer in time, or returns what can't be stored
   */
  async #ask(
    hook: NonNullable<ServerHooks['beforeMessage']>,
    { userId }: Caller,
    proposed: ProposedMessage,
    isSealed: boolean,
  ): Promise<Partial<Changeable>> {
    const { clock, logger } = this.#deps;
    const call = { name: 'beforeMessage', timeoutMs: HOOK_TIMEOUT_MS, clock, logger } as const;
    // A copy, so that the hook changes nothing that is not validated.
    const shown = Object.freeze(structuredClone(proposed));
    const result: unknown = await askHook(call, () => hook(shown, userId));
    if (isSealed || result === undefined || result === null) return {};
    const {
      content = proposed.content,
      metadata,
      mentions,
    } = this.#requireValid(() => parseInput(changesSchema, result));
    // A copy that has the field without a value removes the data.
    const hasField = typeof result === 'object' && 'metadata' in result;
    const removes = hasField && metadata === undefined && proposed.metadata !== undefined;
    const isChanged = JSON.stringify(metadata) !== JSON.stringify(proposed.metadata);
    const mentionsOthers = mentions !== undefined && JSON.stringify(mentions) !== JSON.stringify(proposed.mentions);
    return {
      ...(content !== proposed.content && { content }),
      ...(removes ? { metadata: {} } : metadata !== undefined && isChanged && { metadata }),
      ...(mentionsOthers && { mentions }),
    };
  }

  /** What the hook returns is not the sender's fault. @throws CommError `INTERNAL` instead of the error of `check` */
  #requireValid<T>(check: () => T): T {
    try {
      return check();
    } catch (error) {
      this.#deps.logger.error('the hook beforeMessage returned an invalid message', errorFields(error));
      throw new CommError('INTERNAL', 'Internal server error');
    }
  }
}

function keyOf({ userId }: Caller, { conversationId, clientId }: SendMessage): string | undefined {
  return clientId === undefined ? undefined : JSON.stringify([userId, conversationId, clientId]);
}

/** Returns a stored message as the hook sees it. */
function proposalOf(row: MessageRow): ProposedMessage {
  const {
    conversationId,
    senderId,
    content,
    type,
    replyTo,
    attachment,
    attachments,
    linkPreview,
    metadata,
    encrypted,
  } = toMessage(row, { status: 'sent', readBy: [], reactions: [] });
  return {
    conversationId,
    senderId,
    content,
    type,
    replyTo,
    attachment,
    attachments,
    linkPreview,
    metadata,
    encrypted,
  };
}
