import { existsSync, readFileSync } from 'node:fs';
import * as v from 'valibot';
import { expect, test } from 'vitest';
import { PROTOCOL_VERSION } from '../../../src/protocol/index.ts';
import { describeWire, printWire, WireDescription, wireFile } from '../../helpers/describe-wire.ts';

const describe = (schema: v.GenericSchema): string => JSON.stringify(new WireDescription().schema(schema));

test('the wire is the one that was written down for this protocol version', () => {
  const file = wireFile(PROTOCOL_VERSION);
  const written = existsSync(file) ? readFileSync(file, 'utf8') : '';
  expect(
    printWire(describeWire()),
    'The wire changed. Peers that run the released version would notice: raise PROTOCOL_VERSION in ' +
      'src/protocol/hello.ts, then run `npm run wire:write` and commit the new file. ' +
      `(Only while version ${PROTOCOL_VERSION} was never released may its own file be written again.)`,
  ).toBe(written);
});

test('a schema that no event and no route uses is watched as well', () => {
  const { further } = describeWire();
  // Call logs travel as the content of a message.
  expect(further).toHaveProperty('callLogSchema');
});

const text = v.pipe(v.string(), v.maxLength(5));
test.each<[title: string, one: v.GenericSchema, other: v.GenericSchema]>([
  ['a longer limit', text, v.pipe(v.string(), v.maxLength(6))],
  ['an action less', text, v.string()],
  ['another pattern', v.pipe(v.string(), v.regex(/a/)), v.pipe(v.string(), v.regex(/a/i))],
  ['a field that became optional', v.object({ a: text }), v.object({ a: v.optional(text) })],
  ['a field more', v.object({ a: text }), v.object({ a: text, b: text })],
  ['a field by another name', v.object({ a: text }), v.object({ b: text })],
  ['another default', v.optional(text, 'a'), v.optional(text, 'b')],
  ['a default that is computed', v.optional(text, () => 'a'), v.optional(text, 'b')],
  ['null where there was none', text, v.nullable(text)],
  ['another choice', v.picklist(['a', 'b']), v.picklist(['a', 'c'])],
  ['another literal', v.literal('a'), v.literal('b')],
  ['another element', v.array(text), v.array(v.number())],
  ['another key', v.record(text, text), v.record(v.string(), text)],
  ['another value', v.record(text, text), v.record(text, v.number())],
  ['an alternative less', v.union([text, v.null()]), v.union([text])],
  ['unknown fields let through', v.object({ a: text }), v.looseObject({ a: text })],
  ['a limit on an array', v.array(text), v.pipe(v.array(text), v.maxLength(1))],
  ['another conversion', v.pipe(text, v.transform(Number)), v.pipe(text, v.transform(String))],
])('a change of the wire is seen: %s', (_title, one, other) => {
  expect(describe(one)).not.toBe(describe(other));
});

test('a schema of a kind that the description does not know is refused, not skipped', () => {
  expect(() => describe(v.map(v.string(), v.string()))).toThrow(/map/);
  expect(() => describe(v.pipe(v.string(), v.transform(Number), v.number()))).toThrow(/pipes/);
});
