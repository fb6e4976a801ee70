import type { Work } from '../engine/work.ts';
import { addColumns } from './columns.ts';

/** Adds the encrypted reactions to encrypted messages, as a JSON array of envelopes. */
export function* reactionEnvelopes(): Work<void> {
  yield* addColumns('messages', { reaction_envelopes: 'TEXT' });
}
