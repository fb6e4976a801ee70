import { uuidv7 } from '../../lib/ids.ts';
import { encryptIn, keepPin, NAMES, pinIn, postIn, type Account } from './account.ts';
import type { Sessions } from './sessions.ts';

/** How often a session is started anew because a peer's messages can't be read any more. */
const RESET_EVERY_MS = 3_600_000;

/**
 * A peer's messages can't be read any more: starts anew and says so, at most once an hour.
 * @returns whether something is to be posted
 */
export async function resetSession(
  sessions: Sessions,
  account: Account,
  peerId: string,
  now: number,
): Promise<boolean> {
  let isPosted = false;
  await sessions.locked(account, peerId, async () => {
    const isDue = await account.records.transact([NAMES.pin(peerId)], (view) => {
      const pin = pinIn(view, peerId);
      if (pin?.changedTo !== undefined || now - (pin?.resetAt ?? 0) < RESET_EVERY_MS) return false;
      if (pin !== undefined) keepPin(view, peerId, { ...pin, resetAt: now });
      return true;
    });
    if (!isDue) return;
    await sessions.restart(account, peerId);
    const names = [NAMES.identity, NAMES.peer(peerId), NAMES.pin(peerId)];
    isPosted = await account.records.transact(names, (view) => {
      const pin = pinIn(view, peerId);
      if (pin !== undefined) keepPin(view, peerId, { ...pin, resetAt: now });
      const step = encryptIn(view, account, peerId, { id: uuidv7(), ts: now, kind: 'session-reset' });
      if (step.ok) postIn(view, step.envelope);
      return step.ok;
    });
  });
  return isPosted;
}
