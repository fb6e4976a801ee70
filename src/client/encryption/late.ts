import type { Message } from '../../protocol/messages.ts';
import type { Storable } from '../../storage/comm-storage.ts';
import type { Secret } from '../cipher.ts';
import { NAMES, type Account } from './account.ts';
import type { MessagePayload } from './payload.ts';
import type { View } from './records.ts';
import { readText, secretIn, storable, textFor, type Text } from './texts.ts';

const WEEK = 7 * 24 * 3_600_000;

/** What came beside the conversation, for a message whose own bytes can't be read. */
interface Late {
  readonly cid: string;
  readonly at: number;
  readonly secret: Secret;
}

export function keepLate(view: View, senderId: string, payload: MessagePayload, now: number): void {
  const { attachment, ...secret } = secretIn(payload);
  const whole: Storable = { ...secret, ...(attachment !== undefined && { attachment: { ...attachment } }) };
  view.write(NAMES.late(senderId, payload.id), { cid: payload.cid, at: now, secret: whole });
}

/** Whether something came for this message. Needs the record of that name. */
export function hasLate(view: View, message: Message): boolean {
  const name = nameOf(message);
  return name !== undefined && view.get(name) !== undefined;
}

/**
 * Takes it and keeps it as the message's text, where there is one. Not where the same message was read already: the sender
 * doesn't know what was, and a server could show it a second time under another id.
 */
export async function takeLate(
  { records }: Account,
  message: Message,
  hash: string,
): Promise<{ text: Text } | undefined> {
  const { id, senderId, conversationId, clientId = '' } = message;
  const name = nameOf(message);
  if (name === undefined) return undefined;
  const isRead = (await records.list(NAMES.text(''))).some(([kept, value]) => {
    const text = readText(value);
    return kept !== NAMES.text(id) && text?.senderId === senderId && text.clientId === clientId;
  });
  return records.transact([NAMES.text(id), name], (view) => {
    const late = view.read(name) as Late | undefined;
    if (late?.cid !== conversationId) return undefined;
    view.delete(name);
    if (isRead) return undefined;
    const text = textFor(message, hash, late.secret, clientId);
    view.write(NAMES.text(id), storable(text));
    return { text };
  });
}

function nameOf({ senderId, clientId }: Message): string | undefined {
  return clientId === undefined ? undefined : NAMES.late(senderId, clientId);
}

/** Nobody has asked for it: its message was read, or is gone. */
export async function forgetLate({ records }: Account, now: number): Promise<void> {
  const old = (await records.list('late/')).filter(([, value]) => now - (value as Late).at > WEEK);
  if (old.length === 0) return;
  await records.transact([], (view) => {
    for (const [name] of old) view.delete(name);
  });
}
