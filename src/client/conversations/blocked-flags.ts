import type { Message } from '../../protocol/messages.ts';

/** Sets `fromBlocked` on the messages of blocked users. Messages and lists that are unchanged stay the same objects. */
export class BlockedFlags {
  readonly #flagged = new WeakMap<Message, Message>();
  #last:
    | { readonly from: readonly Message[]; readonly blocked: ReadonlySet<string>; readonly to: readonly Message[] }
    | undefined;

  /** @param blocked - ids of the blocked users; `undefined` until they are known */
  apply(messages: readonly Message[], blocked: ReadonlySet<string> | undefined): readonly Message[] {
    if (blocked === undefined || blocked.size === 0) return messages;
    const last = this.#last;
    if (last?.from === messages && last.blocked === blocked) return last.to;
    const isFlagged = messages.some(({ senderId }) => blocked.has(senderId));
    const to = isFlagged ? Object.freeze(messages.map((each) => this.#flag(each, blocked))) : messages;
    this.#last = { from: messages, blocked, to };
    return to;
  }

  #flag(message: Message, blocked: ReadonlySet<string>): Message {
    if (!blocked.has(message.senderId)) return message;
    const known = this.#flagged.get(message);
    if (known !== undefined) return known;
    const flagged = Object.freeze({ ...message, fromBlocked: true });
    this.#flagged.set(message, flagged);
    return flagged;
  }
}
