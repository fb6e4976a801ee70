import type * as v from 'valibot';
import type { Random } from '../../../src/lib/seeded-random.ts';

/** Values that are known to break parsers, comparisons and databases. JSON text, because some of them are not JavaScript values. */
const HOSTILE_JSON: readonly string[] = [
  'null',
  'true',
  '0',
  '-1',
  '-0',
  '0.1',
  '1e308',
  '9007199254740993',
  '""',
  '" "',
  '"\\u0000"',
  '"\\ud800"',
  '"\\u202e\\u200b"',
  '"__proto__"',
  '"constructor"',
  '"%"',
  `"' OR 1=1 --"`,
  '"2026-02-30T25:61:61.000Z"',
  '[]',
  '{}',
  '[[[[[[[[]]]]]]]]',
  '{"__proto__":{"polluted":true}}',
  '{"toString":null,"length":-1}',
  '{"length":4294967296}',
];

/** JSON text of a value of any shape. */
function hostileJson(random: Random): string {
  if (random.chance(0.9)) return random.pick(HOSTILE_JSON);
  const long = random.between(0, 20_000);
  if (random.chance(0.5)) return JSON.stringify(random.pick(['x', '\u{1F600}', '"', ' ', '́']).repeat(long));
  return `[${Array.from({ length: long % 2_000 }, () => random.pick(HOSTILE_JSON)).join(',')}]`;
}

/** Strings that fit the fields of payloads: ids that the server knows, and texts. */
export interface Words {
  readonly users: string[];
  readonly conversations: string[];
  readonly messages: string[];
  readonly calls: string[];
  readonly texts: string[];
}

/** Returns a string for a field, mostly one of the right kind. */
export function wordFor(random: Random, field: string, words: Words): string {
  const kind = ((): keyof Words => {
    if (random.chance(0.1)) return random.pick(['users', 'conversations', 'messages', 'calls', 'texts']);
    if (/conversation/i.test(field)) return 'conversations';
    if (/message|reply|thread|before|after|around/i.test(field)) return 'messages';
    if (field === 'cursor') return 'conversations';
    if (/call(?!ee)/i.test(field)) return 'calls';
    if (/user|participant|callee|recipient|sender|mention/i.test(field)) return 'users';
    if (field === 'query') return random.pick(['users', 'texts']);
    return 'texts';
  })();
  const fitting = words[kind];
  // The first words are in conversations with each other, so that requests with them often succeed.
  return random.pick(random.chance(0.5) ? fitting.slice(0, 2) : fitting);
}

type AnySchema = v.GenericSchema & {
  readonly entries?: Readonly<Record<string, AnySchema>>;
  readonly item?: AnySchema;
  readonly wrapped?: AnySchema;
  readonly options?: readonly unknown[];
  readonly literal?: unknown;
  readonly key?: AnySchema;
  readonly value?: AnySchema;
};

/** JSON text of an object, at times larger or deeper than metadata may be. */
function objectJson(random: Random, depth = random.between(0, 9)): string {
  if (depth === 0) return random.pick(HOSTILE_JSON);
  const entries = Array.from({ length: random.between(1, 3) }, (_, at) => {
    const name = random.chance(0.1) ? '__proto__' : `k${at}`;
    return `"${name}":${random.chance(0.5) ? objectJson(random, depth - 1) : random.pick(HOSTILE_JSON)}`;
  });
  if (random.chance(0.1)) entries.push(`"long":${JSON.stringify('x'.repeat(random.between(3_900, 4_200)))}`);
  return `{${entries.join(',')}}`;
}

/** Chance that a part of a payload is replaced by a hostile value, or left out. */
const SPOILED = 0.04;

/**
 * Returns JSON text that nearly fits a schema, so that inputs get past validation often enough to reach the code behind it.
 *
 * @param field - name of the field that the value is for
 */
export function nearlyValidJson(random: Random, schema: v.GenericSchema, words: Words, field = ''): string {
  if (random.chance(SPOILED)) return hostileJson(random);
  const known = schema as AnySchema;
  switch (known.type) {
    case 'object': {
      const fields = Object.entries(known.entries ?? {})
        .filter(([, value]) => !(value.type === 'optional' ? random.chance(0.6) : random.chance(SPOILED)))
        .map(([name, value]) => `${JSON.stringify(name)}:${nearlyValidJson(random, value, words, name)}`);
      if (random.chance(SPOILED)) fields.push(`"__proto__":${hostileJson(random)}`);
      return `{${fields.join(',')}}`;
    }
    case 'intersect':
    case 'union':
      return nearlyValidJson(random, random.pick(known.options as AnySchema[]), words, field);
    case 'optional':
    case 'nullable':
      return nearlyValidJson(random, known.wrapped as AnySchema, words, field);
    case 'array': {
      const items = Array.from({ length: random.between(0, 3) }, () =>
        nearlyValidJson(random, known.item as AnySchema, words, field),
      );
      return `[${items.join(',')}]`;
    }
    case 'record': {
      const { key, value } = known as { key: AnySchema; value: AnySchema };
      const entries = Array.from({ length: random.between(0, 3) }, () => {
        const name = nearlyValidJson(random, key, words, field);
        return `${name.startsWith('"') ? name : '"k"'}:${nearlyValidJson(random, value, words, field)}`;
      });
      return `{${entries.join(',')}}`;
    }
    case 'picklist':
      return JSON.stringify(random.pick(known.options ?? []));
    case 'literal':
      return JSON.stringify(known.literal);
    case 'custom':
      return objectJson(random);
    case 'boolean':
      return random.pick(['true', 'false']);
    case 'number':
      return String(random.pick([0, 1, 2, 10, 50, 1_000, 65_535]));
    default:
      return JSON.stringify(wordFor(random, field, words));
  }
}

/** Returns the text with some of its characters removed, doubled, replaced or moved. */
export function mutated(random: Random, text: string): string {
  let result = text;
  for (let changes = random.between(1, 4); changes > 0; changes -= 1) {
    const at = random.between(0, result.length);
    const end = Math.min(result.length, at + random.between(0, 8));
    const middle = random.pick([
      '',
      result.slice(at, end).repeat(2),
      String.fromCodePoint(random.between(0, 0x7f)),
      String(random.between(0, 99_999_999_999)),
      random.pick(['{', '[', '"', ',', '/', '-', '\u001E', '\u0000', '￿']),
    ]);
    result = result.slice(0, at) + middle + result.slice(end);
  }
  return result;
}
