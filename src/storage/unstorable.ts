/** Creates the error for a value that isn't `Storable`. */
export function unstorable(cause: unknown): TypeError {
  return new TypeError(
    'A stored value must be null, a boolean, a number, a string, or an array or plain object of these',
    {
      cause,
    },
  );
}
