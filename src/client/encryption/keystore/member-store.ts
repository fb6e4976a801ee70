import { CommError } from '../../../protocol/errors.ts';
import { parseConversation, parseMessage } from '../../../transport/parse-rows.ts';
import { type Keystore, RECORDS } from './keystore.ts';

interface StoredMembers {
  readonly userIds: readonly string[];
  /** True if the server has reported the complete list. */
  readonly isComplete: boolean;
}

/**
 * Members of conversations as a base server has reported them: completely when a conversation was created, and otherwise by
 * the senders of messages.
 */
export class MemberStore {
  /** What was already stored, by conversation and completeness. */
  readonly #written = new Map<string, string>();

  /** @throws CommError `UNSUPPORTED` if the members are not known */
  async membersOf(keystore: Keystore, conversationId: string, type: 'direct' | 'group'): Promise<readonly string[]> {
    const name = RECORDS.members(conversationId);
    const stored = await keystore.records.transact([name], (tx) => parseStoredMembers(tx.getJson(name)));
    const others = stored?.userIds.filter((userId) => userId !== keystore.userId) ?? [];
    if (stored?.isComplete === true || (type === 'direct' && others.length === 1)) return others;
    throw new CommError('UNSUPPORTED', 'The server has not reported the members of this conversation', {
      fix: 'Create the conversation on this device, or wait for a message of the other member.',
    });
  }

  /** Learns members from a push. */
  async recordPush(keystore: Keystore, event: string, data: unknown): Promise<void> {
    if (event === 'message:new') {
      const message = parseMessage(data);
      if (message !== undefined) await this.recordSenders(keystore, [message]);
    } else if (event === 'conversation:new' || event === 'conversation:updated') {
      const conversation = parseConversation(data);
      const userIds = conversation?.participants.map(({ userId }) => userId) ?? [];
      if (conversation !== undefined && userIds.includes(keystore.userId)) {
        await this.#store(keystore, conversation.id, userIds, true);
      }
    }
  }

  /** Learns members from the senders of messages. */
  async recordSenders(
    keystore: Keystore,
    messages: readonly { conversationId: string; senderId: string }[],
  ): Promise<void> {
    for (const { conversationId, senderId } of messages) {
      await this.#store(keystore, conversationId, [senderId], false);
    }
  }

  /** Forgets what was already stored. */
  clear(): void {
    this.#written.clear();
  }

  async #store(
    keystore: Keystore,
    conversationId: string,
    userIds: readonly string[],
    isComplete: boolean,
  ): Promise<void> {
    const key = JSON.stringify([conversationId, isComplete]);
    const value = [...userIds].sort().join();
    const written = this.#written.get(key) ?? '';
    if (isComplete ? written === value : written.split(',').includes(value)) return;
    this.#written.set(key, isComplete ? value : `${written},${value}`);
    const name = RECORDS.members(conversationId);
    await keystore.records.transact([name], (tx) => {
      const stored = parseStoredMembers(tx.getJson(name));
      const all = isComplete ? userIds : [...new Set([...(stored?.userIds ?? []), ...userIds])];
      tx.putJson(name, { userIds: [...all], isWhole: isComplete || stored?.isComplete === true });
    });
  }
}

function parseStoredMembers(value: unknown): StoredMembers | undefined {
  if (typeof value !== 'object' || value === null || !('userIds' in value)) return undefined;
  const { userIds, isWhole } = value as { userIds: readonly string[]; isWhole: boolean };
  return { userIds, isComplete: isWhole };
}
