import { lazy } from '../../lib/lazy.ts';
import type { ClientContext } from '../context.ts';
import type { Account } from './account.ts';

/** What a server says of a conversation; a base server leaves out who is in it. */
export interface ReadConversation {
  readonly type: 'direct' | 'group';
  readonly userIds: readonly string[];
}

/** Who is in a conversation: as the server says, or with a base server as far as it has ever said so. */
export class Members {
  readonly #context: ClientContext;
  readonly #read: (conversationId: string) => Promise<ReadConversation>;
  readonly #kept = lazy(async () => {
    const { KeptMembers } = await import('./kept-members.ts');
    return new KeptMembers();
  });

  constructor(context: ClientContext, read: (conversationId: string) => Promise<ReadConversation>) {
    this.#context = context;
    this.#read = read;
  }

  /** All others. @throws CommError `UNSUPPORTED` where nobody knows */
  async othersIn(account: Account, conversationId: string): Promise<string[]> {
    const { type, userIds } = await this.#read(conversationId);
    const all = userIds.includes(account.userId)
      ? userIds
      : await (await this.#kept()).allIn(account, conversationId, type);
    return all.filter((userId) => userId !== account.userId);
  }

  /** From what a base server pushes. */
  async learn(account: Account, event: string, data: unknown): Promise<void> {
    if (!this.#context.has('rev')) await (await this.#kept()).learn(account, event, data);
  }

  /** From a page of history. */
  async learnSenders(
    account: Account,
    messages: readonly { conversationId: string; senderId: string }[],
  ): Promise<void> {
    if (!this.#context.has('rev')) await (await this.#kept()).learnSenders(account, messages);
  }

  clear(): void {
    this.#kept.current?.clear();
  }
}
