import type { RowEraser } from '../../store/queries/user-data/erased-rows.ts';
import type { ScanKey } from '../../store/queries/user-data/scan.ts';
import type { Store } from '../../store/store.ts';

/** Deletes all rows of a user, or of whatever else the eraser is for: each window in a transaction of its own. */
export async function eraseRows(store: Pick<Store, 'write'>, { start, erase }: RowEraser, id: string): Promise<void> {
  let after: ScanKey | undefined = start;
  while (after !== undefined) {
    const from: ScanKey = after;
    after = await store.write(() => erase(id, from));
  }
}
