import type { Storable } from '../../storage/comm-storage.ts';
import type { Secret } from '../cipher.ts';
import { encryptIn, keepPin, NAMES, pinIn, postIn, type Account } from './account.ts';
import type { MessagePayload } from './payload.ts';
import type { View } from './records.ts';
import { readText, secretIn, type Text } from './texts.ts';

const HOUR = 3_600_000;
const WEEK = 7 * 24 * HOUR;
const MAX_MESSAGES = 100;

/**
 * Somebody has lost the sessions that messages were encrypted on: what was written to them in the last days goes to them
 * once more, on the new session and beside the conversation, so that they can read what stands there. Only to the identity
 * that it was written to: whoever shows another one gets none of it. At most once an hour.
 *
 * @returns whether something is to be posted
 */
export async function sendAgain(account: Account, peerId: string, now: number): Promise<boolean> {
  const { records, userId } = account;
  const isDue = await records.transact([NAMES.pin(peerId)], (view) => {
    const pin = pinIn(view, peerId);
    if (pin === undefined || now - (pin.resentAt ?? 0) < HOUR) return undefined;
    keepPin(view, peerId, { ...pin, resentAt: now });
    return pin.key;
  });
  if (isDue === undefined) return false;
  const kept = [...(await records.list(NAMES.text(''))), ...(await records.list(NAMES.own('')))];
  const texts = kept
    .map(([, value]) => readText(value))
    .filter((text): text is Text => text?.senderId === userId && text.to?.userId === peerId && text.to.key === isDue)
    .filter(({ createdAt }) => createdAt === undefined || now - Date.parse(createdAt) < WEEK)
    .sort((a, b) => ((a.createdAt ?? '~') < (b.createdAt ?? '~') ? -1 : 1))
    .slice(-MAX_MESSAGES);
  if (texts.length === 0) return false;
  return records.transact([NAMES.identity, NAMES.peer(peerId)], (view) => {
    for (const { clientId, cid, content, type, replyTo, attachment } of texts) {
      const payload: MessagePayload = {
        kind: 'message',
        id: clientId,
        cid,
        ts: now,
        type,
        content,
        replyTo,
        attachment: attachment && { ...attachment },
      };
      const step = encryptIn(view, account, peerId, payload);
      if (!step.ok) return false;
      postIn(view, step.envelope);
    }
    return true;
  });
}

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

/** Takes it, where there is one for this message. */
export function takeLate(view: View, senderId: string, clientId: string, cid: string): Secret | undefined {
  const name = NAMES.late(senderId, clientId);
  const late = view.read(name) as Late | undefined;
  if (late?.cid !== cid) return undefined;
  view.delete(name);
  return late.secret;
}

/** Nobody has asked for it: its message was read, or is gone. */
export async function forgetLate({ records }: Account, now: number): Promise<void> {
  const old = (await records.list('late/')).filter(([, value]) => now - (value as Late).at > WEEK);
  if (old.length === 0) return;
  await records.transact([], (view) => {
    for (const [name] of old) view.delete(name);
  });
}
