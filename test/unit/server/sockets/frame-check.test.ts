import { describe, expect, test } from 'vitest';
import { packetHeader, structureViolation } from '../../../../src/server/sockets/frame-check.ts';
import { fc } from '../../../helpers/property.ts';

describe('packetHeader', () => {
  test.each([
    ['0', '0', '/', '', 0, 1],
    ['0/nk/messages,{"token":"x"}', '0', '/nk/messages', '', 0, 14],
    ['0/nk/messages', '0', '/nk/messages', '', 0, 14],
    ['2["a"]', '2', '/', '', 0, 1],
    ['212["a"]', '2', '/', '12', 0, 3],
    ['2/nk/messages,7["a"]', '2', '/nk/messages', '7', 0, 15],
    ['52-/a,7["a"]', '5', '/a', '7', 2, 7],
    ['61-["a"]', '6', '/', '', 1, 3],
  ])('%s', (packet, type, namespace, ackId, attachments, dataAt) => {
    expect(packetHeader(packet)).toEqual({ type, namespace, ackId, attachments, dataAt });
  });

  test.each(['5["a"]', '5-["a"]', '599-["a"]', '511-["a"]', `0/${'x'.repeat(300)}`, `0/${'x'.repeat(300)},`])(
    '%s is malformed',
    (packet) => {
      expect(packetHeader(packet)).toBeUndefined();
    },
  );
});

describe('structureViolation', () => {
  const limits = { depth: 3, values: 5 };

  test.each([
    ['[[[]]]', undefined],
    ['[[[[]]]]', 'request must have at most 3 levels of nesting'],
    ['{"a":{"b":{"c":{}}}}', 'request must have at most 3 levels of nesting'],
    ['[1,2,3,4,5]', undefined],
    ['[1,2,3,4,5,6]', 'request must have at most 5 values'],
    ['[{},{},{}]', 'request must have at most 5 values'],
    ['["[[[[[[,,,,,,,,"]', undefined],
    ['["\\"[[[[[[,,,,,,,,"]', undefined],
    ['["\\\\",[[[1]]]]', 'request must have at most 3 levels of nesting'],
    ['["unclosed [[[[[[', undefined],
    ['', undefined],
  ])('%s', (json, expected) => {
    expect(structureViolation(json, 0, limits)).toBe(expected);
  });

  test('the text before the JSON is not counted', () => {
    expect(structureViolation('[[[[[[[]', 7, limits)).toBeUndefined();
  });

  test('the depth of any JSON is counted as it is', () => {
    const depthOf = (value: unknown): number =>
      typeof value === 'object' && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
        const depth = depthOf(value);
        const text = JSON.stringify(value);
        const allowed = structureViolation(text, 0, { depth, values: 1e9 });
        const refused = depth > 0 && structureViolation(text, 0, { depth: depth - 1, values: 1e9 });
        return allowed === undefined && refused !== undefined;
      }),
    );
  });
});
