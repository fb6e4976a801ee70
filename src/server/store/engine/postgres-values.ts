import type { RowTypes } from './postgres-pool.ts';
import type { SqlValue } from './work.ts';

/**
 * Postgres stores no NUL in a text, SQLite does. It is stored as U+FFFF and `0`, and U+FFFF, which is no character, as U+FFFF
 * and `1`.
 */
const ESCAPED = /[\0\u{ffff}]/gu;
const ESCAPE = /\u{ffff}([01])/gu;
/** Escapes in JSON. `JSON.stringify` writes surrogates as escapes only if they are alone, which is no text in Postgres. */
const JSON_ESCAPE = /\u{ffff}|\\(?:u([0-9a-f]{4})|.)/gu;

/** Returns the value of a parameter as it is sent. @param isJson - whether it is a list, written as JSON */
export function toParameter(value: SqlValue, isJson: boolean): unknown {
  if (typeof value === 'string') return isJson ? escapeJson(value) : escapeText(value);
  return value instanceof Uint8Array ? Buffer.from(value.buffer, value.byteOffset, value.byteLength) : value;
}

function escapeText(text: string): string {
  return text.replace(ESCAPED, (character) => (character === '\0' ? '\u{ffff}0' : '\u{ffff}1'));
}

function escapeJson(json: string): string {
  return json.replace(JSON_ESCAPE, (escape: string, code?: string) => {
    if (escape === '\u{ffff}') return '\u{ffff}1';
    if (code === '0000') return '\u{ffff}0';
    return code !== undefined && /^d[89a-f]/.test(code) ? '\u{fffd}' : escape;
  });
}

function toText(text: string): string {
  if (!text.includes('\u{ffff}')) return text;
  return text.replace(ESCAPE, (_, escaped: string) => (escaped === '0' ? '\0' : '\u{ffff}'));
}

const number = (text: string): number => Number(text);
/** By the type's number in `pg_type`: `bool`, `bytea`, `int8`, `int2`, `int4`, `float4`, `float8`, `numeric`. */
const PARSERS: ReadonlyMap<number, (text: string) => unknown> = new Map<number, (text: string) => unknown>([
  [16, (text) => (text === 't' ? 1 : 0)],
  [17, (text) => new Uint8Array(Buffer.from(text.slice(2), 'hex'))],
  [20, number],
  [21, number],
  [23, number],
  [700, number],
  [701, number],
  [1700, number],
]);

/** The types of the rows, as SQLite returns them: numbers, texts and bytes. */
export const ROW_TYPES: RowTypes = {
  getTypeParser: (type) => PARSERS.get(type) ?? toText,
};
