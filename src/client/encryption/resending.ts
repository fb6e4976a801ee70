import { encryptIn, keepPin, NAMES, pinIn, postIn, type Account } from './account.ts';
import { draftIn, keepDraft, type Drafts } from './drafts.ts';
import type { MessagePayload } from './payload.ts';
import { readText, type Text } from './texts.ts';

const HOUR = 3_600_000;
const WEEK = 7 * 24 * HOUR;
const MAX_MESSAGES = 100;

/** A peer has lost its sessions: what was encrypted for it and hasn't arrived is encrypted anew when it leaves again. */
export async function sealAnew({ records }: Account, drafts: Drafts, recipientId: string): Promise<void> {
  const prefix = NAMES.draft('');
  for (const [name] of await records.list(prefix)) {
    const clientId = decodeURIComponent(name.slice(prefix.length));
    const isTheirs = await records.transact([name], (view) => {
      const draft = draftIn(view, clientId);
      if (draft?.envelope?.recipientId !== recipientId) return false;
      keepDraft(view, clientId, { secret: draft.secret, ts: draft.ts });
      return true;
    });
    if (isTheirs) drafts.unseal(clientId);
  }
}

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
