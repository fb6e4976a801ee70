import { sql, type RawBuilder } from 'kysely';

/**
 * Returns LIKE patterns, as JSON, that find a text anywhere in a name. SQLite ignores the case of ASCII letters only: a text
 * with other letters is also searched for in lower case, in upper case and with a capital.
 */
export function namePatterns(text: string): string {
  const lower = text.toLowerCase();
  const spellings = [text, lower, text.toUpperCase(), lower.charAt(0).toUpperCase() + lower.slice(1)];
  const isAscii = spellings.every((each) => /^[\u0000-\u007f]*$/.test(each));
  const searched = isAscii ? [lower] : [...new Set(spellings)];
  return JSON.stringify(searched.map((each) => `%${each.replaceAll(/[\\%_]/g, '\\$&')}%`));
}

/** SQL: whether a name matches any of the patterns of {@link namePatterns}. */
export function matchesName(name: RawBuilder<unknown>, patterns: RawBuilder<string | null>): RawBuilder<boolean> {
  return sql<boolean>`exists (select 1 from json_each(${patterns}) where ${name} like value escape '\\')`;
}
