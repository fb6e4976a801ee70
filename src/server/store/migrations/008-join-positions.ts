import type { Work } from '../engine/work.ts';
import { addColumns } from './columns.ts';

/** Adds the position at which each member joined; null for existing members. */
export function* joinPositions(): Work<void> {
  yield* addColumns('conversation_participants', { joined_seq: 'INTEGER', joined_rev: 'INTEGER' });
}
