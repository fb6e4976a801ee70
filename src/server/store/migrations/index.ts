import type { Work } from '../engine/work.ts';
import { order } from './001-order.ts';
import { receipts } from './002-receipts.ts';
import { reactions } from './003-reactions.ts';
import { search } from './004-search.ts';
import { mailbox } from './005-mailbox.ts';
import { idempotencyKeys } from './006-idempotency-keys.ts';
import { healthProbe } from './007-health-probe.ts';
import { joinPositions } from './008-join-positions.ts';
import { writtenReceipts } from './009-written-receipts.ts';
import { sessionIds } from './010-session-ids.ts';
import { linkPreviews } from './011-link-previews.ts';
import { reactionEnvelopes } from './012-reaction-envelopes.ts';
import { keyExtensions } from './013-key-extensions.ts';
import { files } from './014-files.ts';
import { activeHours } from './015-active-hours.ts';
import { membersRevision } from './016-members-revision.ts';
import { calls } from './017-calls.ts';
import { threads } from './018-threads.ts';
import { ownPositions } from './019-own-positions.ts';
import { people } from './020-people.ts';
import { groups } from './021-groups.ts';
import { moderation } from './022-moderation.ts';
import { userBans } from './023-user-bans.ts';
import { sharedCalls } from './024-shared-calls.ts';

/** A numbered schema change. */
export interface Migration {
  readonly version: number;
  readonly name: string;
  readonly up: () => Work<void>;
}

/** All migrations in order. A released migration never changes, because each database runs it once. */
export const MIGRATIONS: readonly Migration[] = [
  { version: 1, name: 'order', up: order },
  { version: 2, name: 'receipts', up: receipts },
  { version: 3, name: 'reactions', up: reactions },
  { version: 4, name: 'search', up: search },
  { version: 5, name: 'mailbox', up: mailbox },
  { version: 6, name: 'idempotency-keys', up: idempotencyKeys },
  { version: 7, name: 'health-probe', up: healthProbe },
  { version: 8, name: 'join-positions', up: joinPositions },
  { version: 9, name: 'written-receipts', up: writtenReceipts },
  { version: 10, name: 'session-ids', up: sessionIds },
  { version: 11, name: 'link-previews', up: linkPreviews },
  { version: 12, name: 'reaction-envelopes', up: reactionEnvelopes },
  { version: 13, name: 'key-extensions', up: keyExtensions },
  { version: 14, name: 'files', up: files },
  { version: 15, name: 'active-hours', up: activeHours },
  { version: 16, name: 'members-revision', up: membersRevision },
  { version: 17, name: 'calls', up: calls },
  { version: 18, name: 'threads', up: threads },
  { version: 19, name: 'own-positions', up: ownPositions },
  { version: 20, name: 'people', up: people },
  { version: 21, name: 'groups', up: groups },
  { version: 22, name: 'moderation', up: moderation },
  { version: 23, name: 'user-bans', up: userBans },
  { version: 24, name: 'shared-calls', up: sharedCalls },
];
