import { silentLogger } from '../../../src/lib/logger.ts';
import { KeyLimits } from '../../../src/server/services/key-limits.ts';
import { MailboxService } from '../../../src/server/services/mailbox.ts';
import type { Recorded } from './recording-hub.ts';
import type { Chat } from './chat.ts';
import { textOf } from './envelopes.ts';

/** The mailboxes of a chat's database, which tell its hub. */
export function mailboxOf({ store, hub, clock }: Chat): MailboxService {
  return new MailboxService({ store, hub, clock, logger: silentLogger, limits: new KeyLimits(clock) });
}

/** What one socket was handed, as `[mailboxId, text]`. */
export function handedTo(socketId: string, pushes: readonly Recorded[]): [mailboxId: string, text: string][] {
  return pushes.flatMap((push) =>
    push.event === 'encryption:session-init' && push.to === `socket:${socketId}`
      ? [[push.data.mailboxId ?? 'none', textOf(push.data)] as [string, string]]
      : [],
  );
}
