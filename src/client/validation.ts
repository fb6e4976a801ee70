import { nearest } from '../lib/nearest.ts';

/** Names a value in an error message, without quoting contents that may be secret. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return 'an array';
  return `${typeof value === 'object' ? 'an' : 'a'} ${typeof value}`;
}

/** @throws TypeError unless `value` is one of `names`; the message names the most similar one */
export function requireOneOf(what: string, names: readonly string[], value: unknown): void {
  if (typeof value === 'string' && names.includes(value)) return;
  const rule = `must be one of ${names.join(', ')}`;
  if (typeof value !== 'string') throw new TypeError(`${what} ${rule}; got ${kindOf(value)}`);
  const similar = nearest(value, names);
  throw new TypeError(`Unknown ${what} "${value}": ${similar === undefined ? rule : `did you mean "${similar}"?`}`);
}

/** @throws TypeError unless `value` is an object; a string in place of options is a common mistake */
export function requireObject(what: string, value: unknown): asserts value is Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TypeError(`${what} takes an object; got ${kindOf(value)}`);
  }
}

/** @throws TypeError unless `value` is an object whose fields are all among `fields` */
export function requireFields(what: string, value: unknown, fields: readonly string[]): void {
  requireObject(what, value);
  for (const name of Object.keys(value)) requireOneOf(`option of ${what}`, fields, name);
}

/** @throws TypeError unless `value` is a boolean */
export function requireBoolean(name: string, value: unknown): void {
  if (typeof value !== 'boolean') throw new TypeError(`${name} must be a boolean; got ${kindOf(value)}`);
}

/** @throws TypeError unless `values` is an array of ids */
export function requireIds(name: string, values: unknown): asserts values is readonly string[] {
  if (!Array.isArray(values)) throw new TypeError(`${name} must be an array of ids`);
  for (const value of values as readonly unknown[]) requireId(name, value);
}

/** @throws TypeError unless `value` is a non-empty string */
export function requireId(name: string, value: unknown): asserts value is string {
  if (typeof value !== 'string' || value === '') throw new TypeError(`${name} must be a non-empty string`);
}

/** @throws TypeError unless `value` is a string, which may be empty */
export function requireText(name: string, value: unknown): asserts value is string {
  if (typeof value !== 'string') throw new TypeError(`${name} must be a string; got ${kindOf(value)}`);
}
