/**
 * Returns true if two snapshots have the same fields: identical values, or lists of identical items. A field that is
 * absent and one that is `undefined` count as the same.
 */
export function isSameSnapshot<T extends object>(one: T, other: T): boolean {
  const keys = new Set([...Object.keys(one), ...Object.keys(other)]) as Set<keyof T>;
  for (const key of keys) if (!isSameValue(one[key], other[key])) return false;
  return true;
}

function isSameValue(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true;
  if (!Array.isArray(one) || !Array.isArray(other)) return false;
  return one.length === other.length && one.every((item, at) => Object.is(item, other[at]));
}
