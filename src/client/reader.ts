import { lazy } from '../lib/lazy.ts';
import type { Conversation } from '../protocol/conversations.ts';
import type { Message } from '../protocol/messages.ts';
import { RestClient, type RestClientOptions } from '../transport/rest-client.ts';
import type { TokenSource } from '../transport/token-source.ts';
import type { ClientContext } from './context.ts';
import { Directory } from './conversations/directory.ts';
import { LiveInbox } from './conversations/live-inbox.ts';
import { OpenConversation } from './conversations/open-conversation.ts';
import { History } from './timeline/history.ts';
import { TimelineRegistry } from './timeline/timeline-registry.ts';
import type { OutgoingMessages } from './messages/outgoing-messages.ts';
import type { ResolvedOptions } from './options.ts';
import type { OfflineReading, ViewParts } from './ports.ts';
import type { TypingTracker } from './presence/typing-tracker.ts';

/**
 * Everything that reads: history, search, timelines, the inbox. In a chunk of its own that loads with the first use, so
 * that a client that only sends and listens never downloads it.
 */
export class Reader {
  readonly #context: ClientContext;
  readonly rest: RestClient;
  readonly history: History;
  readonly timelines: TimelineRegistry;
  readonly directory: Directory;
  readonly inbox: LiveInbox;
  readonly #typing: TypingTracker;
  readonly #offline: OfflineReading | undefined;

  constructor(
    context: ClientContext,
    rest: RestClientOptions,
    pending: (conversationId: string) => readonly Message[],
    typing: TypingTracker,
    offline?: OfflineReading,
  ) {
    this.#context = context;
    this.#offline = offline;
    this.#typing = typing;
    const client = new RestClient(rest);
    this.rest = client;
    const base = lazy(async () => {
      const { BaseHistory } = await import('./base-server.ts');
      return new BaseHistory(client);
    });
    this.history = new History(context, client, base);
    this.timelines = new TimelineRegistry(context, this.history, pending, offline);
    this.directory = new Directory(context, client, base);
    this.inbox = new LiveInbox(context, this.directory, offline);
  }

  /** Removes everything that was read: another user has signed in. */
  forget(): void {
    this.timelines.clear();
    this.inbox.clear();
  }

  /** Returns a conversation, from memory or from the server. */
  async conversation(id: string): Promise<Conversation> {
    const { inbox, directory } = this;
    const held = inbox.find(id);
    if (held !== undefined && !inbox.isRestored(id)) return held;
    await inbox.request(directory.get(id), (conversation) => ({ kind: 'known', conversation }));
    return inbox.find(id) ?? directory.get(id);
  }

  /** Returns a message, from memory or from the server. */
  async find(id: string): Promise<Message> {
    return this.timelines.find(id) ?? this.history.get(id);
  }

  /** @param threadId - opens the thread of this message in place of the main timeline */
  openConversation(id: string, parts: ViewParts, threadId?: string): OpenConversation {
    const { timelines, inbox } = this;
    const opened = threadId === undefined ? undefined : timelines.openThread(id, threadId);
    const sources = {
      timeline: opened?.replies ?? timelines.open(id),
      thread: opened && threadId !== undefined ? { id: threadId, root: opened.root } : undefined,
      inbox,
      typing: this.#typing.observe(id),
    };
    const onRefused = (): void => {
      // A thread is refused too if its root doesn't exist.
      if (threadId !== undefined) return;
      timelines.refused(id);
      if (inbox.isRestored(id)) inbox.apply({ kind: 'left', conversationId: id });
      this.#offline?.remove(id);
    };
    return new OpenConversation(id, this.#context, parts, sources, () => timelines.close(id, threadId), onRefused);
  }
}

// In the same chunk: apps that send these requests also read.
export { ConversationRequests } from './conversations/conversation-requests.ts';
export { MessageReads } from './messages/message-reads.ts';

/** Creates the reader with its REST client. */
export function createReader(
  context: ClientContext,
  { url, restPath, fetch, requestTimeoutMs }: ResolvedOptions,
  tokens: TokenSource,
  outgoing: OutgoingMessages,
  typing: TypingTracker,
  isBase: () => boolean,
  offline?: OfflineReading,
): Reader {
  const { cipher, clock, userId } = context;
  const rest: RestClientOptions = {
    baseUrl: `${url ?? ''}${restPath}`,
    fetch: fetch ?? globalThis.fetch.bind(globalThis),
    clock,
    tokens,
    userId,
    isBase,
    timeoutMs: requestTimeoutMs,
    ...(cipher && { open: async (answer: unknown) => (await cipher()).open(answer, false) }),
  };
  const pending = (id: string): Message[] => outgoing.pending().filter((each) => each.conversationId === id);
  return new Reader(context, rest, pending, typing, offline);
}
