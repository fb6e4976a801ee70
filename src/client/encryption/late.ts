import type { Storable } from '../../storage/comm-storage.ts';
import type { Secret } from '../cipher.ts';
import { NAMES, type Account } from './account.ts';
import type { MessagePayload } from './payload.ts';
import type { View } from './records.ts';
import { secretIn } from './texts.ts';

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
