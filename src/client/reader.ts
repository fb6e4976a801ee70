import type { Conversation } from '../protocol/conversations.ts';
import type { Message } from '../protocol/messages.ts';
import { RestClient, type RestClientOptions } from '../transport/rest-client.ts';
import type { ClientContext } from './context.ts';
import { Directory } from './conversations/directory.ts';
import { InboxState } from './conversations/inbox-state.ts';
import { OpenConversation } from './conversations/open-conversation.ts';
import { History } from './messages/history.ts';
import { Timelines } from './messages/timelines.ts';
import type { ViewPorts } from './ports.ts';

/**
 * Everything that reads: history, search, timelines, the inbox. A chunk of its own, loaded when first needed: a client
 * that only sends and listens does without.
 */
export class Reader {
  readonly history: History;
  readonly timelines: Timelines;
  readonly directory: Directory;
  readonly inbox: InboxState;

  constructor(
    context: ClientContext,
    rest: RestClientOptions,
    pending: (conversationId: string) => readonly Message[],
  ) {
    const client = new RestClient(rest);
    this.history = new History(context, client);
    this.timelines = new Timelines(context, this.history, pending);
    this.directory = new Directory(context, client);
    this.inbox = new InboxState(context, this.directory);
  }

  /** Somebody else is signed in. */
  forget(): void {
    this.timelines.clear();
    this.inbox.apply({ kind: 'listed', conversations: [], first: true, hasMore: false });
  }

  /** A conversation as it stands, held or asked for. */
  async conversation(id: string): Promise<Conversation> {
    const { inbox, directory } = this;
    const held = inbox.find(id);
    if (held !== undefined) return held;
    inbox.apply({ kind: 'known', conversation: await directory.get(id) });
    return inbox.find(id) ?? directory.get(id);
  }

  /** A message, held or asked for. */
  async find(id: string): Promise<Message> {
    return this.timelines.find(id) ?? this.history.get(id);
  }

  openConversation(id: string, ports: ViewPorts): OpenConversation {
    return new OpenConversation(id, ports, this.timelines.open(id), this.inbox);
  }
}
