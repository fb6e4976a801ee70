/** For a value that no storage can carry: a mistake in the code that writes it, not a failure of the storage. */
export function unstorable(cause: unknown): TypeError {
  return new TypeError(
    'Only what JSON can carry is stored: null, booleans, numbers, strings, arrays and plain objects',
    {
      cause,
    },
  );
}
