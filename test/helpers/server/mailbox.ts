import { silentLogger } from '../../../src/lib/logger.ts';
import { KeyLimits } from '../../../src/server/services/e2ee/key-limits.ts';
import { MailboxService } from '../../../src/server/services/e2ee/mailbox-service.ts';
import type { Recorded } from './recording-broadcaster.ts';
import type { Chat } from './chat.ts';
import { textOf } from './envelopes.ts';

/** The mailboxes of a chat's database, which tell its broadcaster. */
export function mailboxOf(
  { store, broadcaster, clock }: Chat,
  isUserOnline: (userId: string) => boolean = () => true,
): MailboxService {
  const limits = new KeyLimits(clock);
  return new MailboxService({ store, broadcaster, clock, logger: silentLogger, limits, isUserOnline });
}

/** What one socket was handed, as `[mailboxId, text]`. */
export function handedTo(socketId: string, pushes: readonly Recorded[]): [mailboxId: string, text: string][] {
  return pushes.flatMap((push) =>
    push.event === 'encryption:session-init' && push.to === `socket:${socketId}`
      ? [[push.data.mailboxId ?? 'none', textOf(push.data)] as [string, string]]
      : [],
  );
}
