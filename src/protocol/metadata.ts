/** A value of JSON. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
/** An object of JSON. `undefined` values are left out when it is written. */
export interface JsonObject {
  readonly [key: string]: Json | undefined;
}

/** Limits of an app's own data. */
export const METADATA_LIMITS = {
  /** Size of an object of metadata as JSON, in bytes of UTF-8. */
  metadataBytes: 4_096,
  /** Levels of objects and lists in metadata, the object itself included. */
  metadataDepth: 8,
} as const;

/**
 * Returns whether a value is an object of JSON within {@link METADATA_LIMITS}. In a module without schemas, because clients
 * check it too.
 */
export function isMetadata(value: unknown): value is JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  if (!isJson(value, METADATA_LIMITS.metadataDepth)) return false;
  const json = JSON.stringify(value);
  return (
    json.length <= METADATA_LIMITS.metadataBytes &&
    new TextEncoder().encode(json).length <= METADATA_LIMITS.metadataBytes
  );
}

/** @param depth - levels of objects and lists that the value may have */
function isJson(value: unknown, depth: number): boolean {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return true;
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || depth === 0) return false;
  if (Array.isArray(value)) return value.every((each) => isJson(each, depth - 1));
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return false;
  return Object.values(value).every((each) => each === undefined || isJson(each, depth - 1));
}
