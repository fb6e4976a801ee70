import type { Work } from '../engine/work.ts';
import { addColumns } from './columns.ts';

/** Adds the extension fields of key bundles, as JSON. Those of envelopes are stored in their JSON. */
export function* keyExtensions(): Work<void> {
  yield* addColumns('encryption_keys', { ext: 'TEXT' });
}
