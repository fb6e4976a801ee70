import type { Work } from '../work.ts';
import { addColumns } from './columns.ts';

/** Where each person joined; unknown for those who are there already. */
export function* joined(): Work<void> {
  yield* addColumns('conversation_participants', { joined_seq: 'INTEGER', joined_rev: 'INTEGER' });
}
