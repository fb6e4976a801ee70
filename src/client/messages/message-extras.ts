import { CommError } from '../../protocol/errors.ts';
import type { AbortOptions } from '../../lib/abort.ts';
import { BoundedMap } from '../../lib/bounded-map.ts';
import type { LinkPreview } from '../../protocol/link-previews.ts';
import type { Message, MessageRef } from '../../protocol/messages.ts';
import { fields } from '../../transport/fields.ts';
import { parseMessages } from '../../transport/parse-rows.ts';
import { unreadable, type ClientContext } from '../context.ts';
import { requireBoolean, requireFields, requireId, requireText } from '../validation.ts';
import type { Enqueue, Reading } from './outgoing-messages.ts';

/** A report about a message. */
export interface ReportOptions extends MessageRef {
  /** Why, in the app's own terms, such as `spam`; at most 100 characters. */
  reason: string;
  /** At most 2,000 characters. */
  comment?: string | undefined;
  /**
   * True adds the text of an encrypted message, which the server then can read: ask the user first. The server can't verify it.
   * @defaultValue false
   */
  includeContent?: boolean | undefined;
}

/** More pages than a conversation can have pinned messages. */
const MAX_PAGES = 200;

/** Pins and reports messages, and previews links. In a chunk of its own, because few clients need it at once. */
export class MessageExtras {
  readonly #context: ClientContext;
  readonly #reading: Reading;
  readonly #enqueue: Enqueue;

  /** @param enqueue - puts a request into the outbox */
  constructor(context: ClientContext, reading: Reading, enqueue: Enqueue) {
    this.#context = context;
    this.#reading = reading;
    this.#enqueue = enqueue;
  }

  /** Queued while there is no connection. */
  async pin(ref: MessageRef, pinned: boolean, { signal }: AbortOptions = {}): Promise<void> {
    requireFields('messages.pin()', ref, ['conversationId', 'messageId']);
    const { conversationId, messageId } = ref;
    requireId('conversationId', conversationId);
    requireId('messageId', messageId);
    requireBoolean('pinned', pinned);
    await this.#enqueue(
      conversationId,
      { name: 'message:pin', payload: { conversationId, messageId, pinned } },
      signal,
    );
  }

  /** Returns the pinned messages of a conversation, the newest pin first. */
  async pinned(conversationId: string, options: AbortOptions = {}): Promise<Message[]> {
    requireId('conversationId', conversationId);
    await this.#context.whenConnected(options.signal);
    if (!this.#context.has('moderation'))
      throw new CommError('UNSUPPORTED', 'The server does not support pinned messages');
    const { rest } = await this.#reading();
    // A message whose place has changed between two pages is in both.
    const found = new BoundedMap<string, Message>(MAX_PAGES);
    let offset = 0;
    for (let page = 0; page < MAX_PAGES; page += 1) {
      const query = { offset };
      const answer = fields(await rest.ask('listPinned', { id: conversationId, query, ...options }));
      const messages = parseMessages(answer?.['messages']);
      if (messages === undefined) throw unreadable('list of pinned messages');
      for (const message of messages) found.set(message.id, message);
      offset += messages.length;
      if (answer?.['hasMore'] !== true || messages.length === 0) break;
    }
    return [...found.values()];
  }

  /** Queued while there is no connection. */
  async report(report: ReportOptions, { signal }: AbortOptions = {}): Promise<void> {
    requireFields('messages.report()', report, ['conversationId', 'messageId', 'reason', 'comment', 'includeContent']);
    const { conversationId, messageId, reason, comment, includeContent } = report;
    requireId('conversationId', conversationId);
    requireId('messageId', messageId);
    requireId('reason', reason);
    const payload = {
      conversationId,
      messageId,
      reason,
      ...(comment !== undefined && { comment }),
      ...(includeContent === true && this.#context.cipher !== undefined && { includeContent }),
    };
    await this.#enqueue(conversationId, { name: 'message:report', payload }, signal);
  }

  /** Asks the server for previews of the links of a text. */
  async linkPreviews(text: string, options: AbortOptions = {}): Promise<LinkPreview[]> {
    requireText('text', text);
    await this.#context.whenConnected(options.signal);
    const { rest } = await this.#reading();
    const previews = fields(await rest.ask('linkPreviews', { body: { text }, ...options }))?.['previews'];
    return Array.isArray(previews) ? (previews as LinkPreview[]) : [];
  }
}
