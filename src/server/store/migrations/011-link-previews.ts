import type { Work } from '../engine/work.ts';
import { addColumns } from './columns.ts';

/** Adds the previews of links, as JSON. */
export function* linkPreviews(): Work<void> {
  yield* addColumns('messages', { link_preview: 'TEXT' });
}
