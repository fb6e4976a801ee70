import type { Work } from '../engine/work.ts';
import { addColumns } from './columns.ts';

/** Adds the session that an envelope starts, so that its acknowledgement can be reported without reading envelopes. */
export function* sessionIds(): Work<void> {
  yield* addColumns('comm_mailbox', { session_id: 'TEXT' });
}
