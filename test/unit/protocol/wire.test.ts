import { existsSync, readFileSync } from 'node:fs';
import * as v from 'valibot';
import { expect, test } from 'vitest';
import { PROTOCOL_VERSION } from '../../../src/protocol/index.ts';
import { describeWire, printWire, WireDescription, wireFile } from '../../helpers/describe-wire.ts';

const describe = (schema: v.GenericSchema): string => JSON.stringify(new WireDescription().schema(schema));

test('the wire equals its recorded description for this protocol version', () => {
  const file = wireFile(PROTOCOL_VERSION);
  const written = existsSync(file) ? readFileSync(file, 'utf8') : '';
  expect(
    printWire(describeWire()),
    'The wire changed, which peers of the released version can observe: increment PROTOCOL_VERSION in ' +
      'src/protocol/constants.ts, then run `npm run wire:write` and commit the new file. ' +
      `(The file may be rewritten only while version ${PROTOCOL_VERSION} is unreleased.)`,
  ).toBe(written);
});

test('the description includes schemas that no event and no route uses', () => {
  const { further } = describeWire();
  // A call log is the content of a message.
  expect(further).toHaveProperty('callLogSchema');
});

const text = v.pipe(v.string(), v.maxLength(5));
test.each<[title: string, one: v.GenericSchema, other: v.GenericSchema]>([
  ['a longer limit', text, v.pipe(v.string(), v.maxLength(6))],
  ['a removed action', text, v.string()],
  ['another pattern', v.pipe(v.string(), v.regex(/a/)), v.pipe(v.string(), v.regex(/a/i))],
  ['a field that became optional', v.object({ a: text }), v.object({ a: v.optional(text) })],
  ['an additional field', v.object({ a: text }), v.object({ a: text, b: text })],
  ['a renamed field', v.object({ a: text }), v.object({ b: text })],
  ['another default', v.optional(text, 'a'), v.optional(text, 'b')],
  ['a default that is computed', v.optional(text, () => 'a'), v.optional(text, 'b')],
  ['an additional null', text, v.nullable(text)],
  ['another choice', v.picklist(['a', 'b']), v.picklist(['a', 'c'])],
  ['another literal', v.literal('a'), v.literal('b')],
  ['another element', v.array(text), v.array(v.number())],
  ['another key', v.record(text, text), v.record(v.string(), text)],
  ['another value', v.record(text, text), v.record(text, v.number())],
  ['a removed alternative', v.union([text, v.null()]), v.union([text])],
  ['unknown fields that are accepted', v.object({ a: text }), v.looseObject({ a: text })],
  ['a limit on an array', v.array(text), v.pipe(v.array(text), v.maxLength(1))],
  ['another conversion', v.pipe(text, v.transform(Number)), v.pipe(text, v.transform(String))],
])('the description changes with %s', (_title, one, other) => {
  expect(describe(one)).not.toBe(describe(other));
});

test('an unknown kind of schema throws instead of being skipped', () => {
  expect(() => describe(v.map(v.string(), v.string()))).toThrow(/map/);
  expect(() => describe(v.pipe(v.string(), v.transform(Number), v.number()))).toThrow(/pipes/);
});
