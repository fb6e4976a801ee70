/** An object of unknown content. */
export type Fields = Readonly<Record<string, unknown>>;

/** Returns `value` if it is an object other than an array, else `undefined`. */
export function fields(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}
