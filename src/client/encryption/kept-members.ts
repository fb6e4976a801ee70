import { CommError } from '../../protocol/errors.ts';
import { readConversation, readMessage } from '../../transport/rows.ts';
import { NAMES, type Account } from './account.ts';

interface Kept {
  readonly userIds: readonly string[];
  /** Once told as all who are in it. */
  readonly isWhole: boolean;
}

/** What a base server has said of who is in which conversation: when it was made, or by messages that came. */
export class KeptMembers {
  /** What is written already. */
  readonly #learnt = new Map<string, string>();

  /** @throws CommError `UNSUPPORTED` where it isn't known */
  async allIn(account: Account, conversationId: string, type: 'direct' | 'group'): Promise<readonly string[]> {
    const name = NAMES.members(conversationId);
    const kept = await account.records.transact([name], (view) => readKept(view.read(name)));
    const others = kept?.userIds.filter((userId) => userId !== account.userId) ?? [];
    if (kept?.isWhole === true || (type === 'direct' && others.length === 1)) return others;
    throw new CommError('UNSUPPORTED', 'This server has not said who is in the conversation', {
      fix: 'Create it from this device, or wait until the other one has written.',
    });
  }

  async learn(account: Account, event: string, data: unknown): Promise<void> {
    if (event === 'message:new') {
      const message = readMessage(data);
      if (message !== undefined) await this.learnSenders(account, [message]);
    } else if (event === 'conversation:new' || event === 'conversation:updated') {
      const conversation = readConversation(data);
      const userIds = conversation?.participants.map(({ userId }) => userId) ?? [];
      if (conversation !== undefined && userIds.includes(account.userId)) {
        await this.#keep(account, conversation.id, userIds, true);
      }
    }
  }

  async learnSenders(
    account: Account,
    messages: readonly { conversationId: string; senderId: string }[],
  ): Promise<void> {
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
