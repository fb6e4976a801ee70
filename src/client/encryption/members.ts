import { CommError } from '../../protocol/errors.ts';
import { readConversation, readMessage } from '../../transport/rows.ts';
import type { ClientContext } from '../context.ts';
import { NAMES, type Account } from './account.ts';

/** What a server says of a conversation; a base server leaves out who is in it. */
export interface ReadConversation {
  readonly type: 'direct' | 'group';
  readonly userIds: readonly string[];
}

interface Kept {
  readonly userIds: readonly string[];
  /** Once told as all who are in it. */
  readonly isWhole: boolean;
}

/** Who is in a conversation: as the server says, or with a base server as far as it has ever said so. */
export class Members {
  readonly #context: ClientContext;
  readonly #read: (conversationId: string) => Promise<ReadConversation>;
  /** What is written already. */
  readonly #learnt = new Map<string, string>();

  constructor(context: ClientContext, read: (conversationId: string) => Promise<ReadConversation>) {
    this.#context = context;
    this.#read = read;
  }

  /** All others. @throws CommError `UNSUPPORTED` where nobody knows */
  async othersIn(account: Account, conversationId: string): Promise<string[]> {
    const { type, userIds } = await this.#read(conversationId);
    const others = (ids: readonly string[]): string[] => ids.filter((userId) => userId !== account.userId);
    if (userIds.includes(account.userId)) return others(userIds);
    const name = NAMES.members(conversationId);
    const kept = await account.records.transact([name], (view) => readKept(view.read(name)));
    if (kept !== undefined && (kept.isWhole || (type === 'direct' && others(kept.userIds).length === 1))) {
      return others(kept.userIds);
    }
    throw new CommError('UNSUPPORTED', 'This server has not said who is in the conversation', {
      fix: 'Create it from this device, or wait until the other one has written.',
    });
  }

  /** From what a base server pushes. */
  async learn(account: Account, event: string, data: unknown): Promise<void> {
    if (this.#context.has('rev')) return;
    if (event === 'message:new') {
      const message = readMessage(data);
      if (message !== undefined) await this.#keep(account, message.conversationId, [message.senderId], false);
    } else if (event === 'conversation:new' || event === 'conversation:updated') {
      const conversation = readConversation(data);
      const userIds = conversation?.participants.map(({ userId }) => userId) ?? [];
      if (conversation !== undefined && userIds.includes(account.userId)) {
        await this.#keep(account, conversation.id, userIds, true);
      }
    }
  }

  /** From a page of history. */
  async learnSenders(
    account: Account,
    messages: readonly { conversationId: string; senderId: string }[],
  ): Promise<void> {
    if (this.#context.has('rev')) return;
    for (const { conversationId, senderId } of messages) await this.#keep(account, conversationId, [senderId], false);
  }

  clear(): void {
    this.#learnt.clear();
  }

  async #keep(account: Account, conversationId: string, userIds: readonly string[], isWhole: boolean): Promise<void> {
    const key = JSON.stringify([conversationId, isWhole]);
    const value = [...userIds].sort().join();
    const seen = this.#learnt.get(key) ?? '';
    if (isWhole ? seen === value : seen.split(',').includes(value)) return;
    this.#learnt.set(key, isWhole ? value : `${seen},${value}`);
    const name = NAMES.members(conversationId);
    await account.records.transact([name], (view) => {
      const kept = readKept(view.read(name));
      const all = isWhole ? userIds : [...new Set([...(kept?.userIds ?? []), ...userIds])];
      view.write(name, { userIds: [...all], isWhole: isWhole || kept?.isWhole === true });
    });
  }
}

function readKept(value: unknown): Kept | undefined {
  return typeof value === 'object' && value !== null && 'userIds' in value ? (value as Kept) : undefined;
}
