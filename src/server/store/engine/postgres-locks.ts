/**
 * Locks of the transactions that write, as advisory locks: they are held by the transaction, across processes, and end with
 * it.
 *
 * A transaction that declares what it changes holds {@link WRITE_LOCK} with others that do, and a lock for each of its keys. A
 * transaction that declares nothing holds it alone. All are taken in one order, so that transactions don't deadlock by them.
 */
const WRITE_LOCK = 0x6c75_6d65;
/** The first of the two numbers of a key's lock, which is a different lock than one with a single number. */
const KEY_LOCKS = 0x6c75_6d68;

/**
 * Returns the statement that waits for the locks of a transaction.
 *
 * @param keys - what the transaction changes; `undefined` for everything
 */
export function lockStatement(keys: readonly string[] | undefined): string {
  if (keys === undefined) return `SELECT pg_advisory_xact_lock(${WRITE_LOCK})`;
  const shared = `SELECT pg_advisory_xact_lock_shared(${WRITE_LOCK})`;
  const numbers = Array.from(new Set(keys.map(hash))).toSorted((a, b) => a - b);
  if (numbers.length === 0) return shared;
  return `${shared}; SELECT pg_advisory_xact_lock(${KEY_LOCKS}, key) FROM unnest(ARRAY[${numbers.join()}]::int[]) AS key`;
}

/** FNV-1a, as a signed number of 32 bits. Keys with the same number wait for each other. */
function hash(key: string): number {
  let value = 0x811c_9dc5;
  for (let at = 0; at < key.length; at += 1) value = Math.imul(value ^ key.charCodeAt(at), 0x0100_0193);
  return value;
}
