import type { Storable } from '../../storage/comm-storage.ts';
import type { Operation, OutboxItem } from './outbox.ts';

/** An item as it rests, and as others are told of it. */
export interface StoredItem extends OutboxItem {
  /** The session of a tab or process that sends it. */
  readonly owner: string;
}

/** An item as it rests and as tabs tell it: as text, because an app's objects may hold what can't be cloned. */
export function toStorable(item: StoredItem): Storable {
  return { ...item, operation: JSON.stringify(item.operation) };
}

/** `undefined` for what is none. */
export function readItem(value: Storable): StoredItem | undefined {
  if (typeof value !== 'object' || value === null || !('operation' in value)) return undefined;
  const { clientId, lane, order, owner, operation, parked } = value;
  if (typeof clientId !== 'string' || typeof lane !== 'string' || typeof order !== 'string') return undefined;
  if (typeof owner !== 'string' || typeof operation !== 'string') return undefined;
  try {
    return { clientId, lane, order, owner, operation: JSON.parse(operation) as Operation, parked: parked === true };
  } catch {
    return undefined;
  }
}
