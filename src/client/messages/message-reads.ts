import type { AbortOptions } from '../../lib/abort.ts';
import { lazy, lazyMethods } from '../../lib/lazy.ts';
import type { Message } from '../../protocol/messages.ts';
import type { ClientContext } from '../context.ts';
import type { History } from '../timeline/history.ts';
import type { HistoryPage, HistoryQuery } from '../timeline/history-query.ts';
import { requireFields, requireId, requireText } from '../validation.ts';
import type { MessagesClient, SearchMessages } from './messages-client.ts';
import type { Enqueue, Reading } from './outgoing-messages.ts';

/** Implements the methods of `MessagesClient` that read. In the chunk of the reader, because they need it. */
export class MessageReads implements Pick<MessagesClient, 'list' | 'get' | 'search'> {
  declare readonly linkPreviews: MessagesClient['linkPreviews'];
  declare readonly pin: MessagesClient['pin'];
  declare readonly pinned: MessagesClient['pinned'];
  declare readonly report: MessagesClient['report'];
  readonly #context: ClientContext;
  readonly #reading: Reading;

  /** @param enqueue - puts a request into the outbox */
  constructor(context: ClientContext, reading: Reading, enqueue: Enqueue) {
    this.#context = context;
    this.#reading = reading;
    const extras = lazy(async () => {
      const { MessageExtras } = await import('./message-extras.ts');
      return new MessageExtras(context, reading, enqueue);
    });
    Object.assign(this, lazyMethods(extras, ['linkPreviews', 'pin', 'pinned', 'report']));
  }

  async list(query: HistoryQuery, options: AbortOptions = {}): Promise<HistoryPage> {
    requireFields('messages.list()', query, ['conversationId', 'threadId', 'limit', 'before', 'after', 'around']);
    requireId('conversationId', query.conversationId);
    return (await this.#history(options)).page(query, options);
  }

  async get(id: string, options: AbortOptions = {}): Promise<Message> {
    requireId('id', id);
    return (await this.#history(options)).get(id, options);
  }

  async search(search: SearchMessages, options: AbortOptions = {}): Promise<Message[]> {
    requireFields('messages.search()', search, ['query', 'conversationId', 'limit']);
    requireText('query', search.query);
    const query = search.query.trim();
    if (query === '') return [];
    return (await this.#history(options)).search({ ...search, query }, options);
  }

  /** Returns what reads, once there is a connection. */
  async #history({ signal }: AbortOptions): Promise<History> {
    await this.#context.whenConnected(signal);
    return (await this.#reading()).history;
  }
}
