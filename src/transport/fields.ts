export type Fields = Readonly<Record<string, unknown>>;

/** An object as what it may hold; `undefined` for anything else. */
export function fields(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined;
}
