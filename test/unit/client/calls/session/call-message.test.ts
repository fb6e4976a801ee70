import { describe, expect, test } from 'vitest';
import { parseCallMessage } from '../../../../../src/client/calls/session/call-message.ts';
import { fc } from '../../../../helpers/property.ts';

describe('parseCallMessage', () => {
  test.each([
    { type: 'hand', raised: true },
    { type: 'reaction', emoji: '👍🏽' },
    { type: 'data', data: { slide: 3 } },
    { type: 'data', data: null },
  ])('returns %j, without fields that are not known', (message) => {
    expect(parseCallMessage(JSON.stringify({ ...message, userId: 'alice' }))).toEqual(message);
  });

  test.each([
    '',
    '{',
    'null',
    '[]',
    '7',
    '{"type":"hand"}',
    '{"type":"hand","raised":"yes"}',
    '{"type":"reaction","emoji":7}',
    '{"type":"reaction","emoji":" "}',
    '{"type":"reaction","emoji":"hello"}',
    '{"type":"data"}',
    '{"type":"constructor"}',
    '['.repeat(16_384),
  ])('returns undefined for %j', (text) => {
    expect(parseCallMessage(text)).toBeUndefined();
  });

  test('never throws, and returns only messages of the right types', () => {
    const row = fc.record(
      {
        type: fc.constantFrom('hand', 'reaction', 'data'),
        raised: fc.jsonValue(),
        emoji: fc.jsonValue(),
        data: fc.jsonValue(),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          row.map((each) => JSON.stringify(each)),
        ),
        (text) => {
          const message = parseCallMessage(text) ?? { type: 'none' };
          const value = 'raised' in message ? message.raised : 'emoji' in message ? message.emoji : undefined;
          expect(['none', 'data', 'hand boolean', 'reaction string']).toContain(
            value === undefined ? message.type : `${message.type} ${typeof value}`,
          );
        },
      ),
    );
  });
});
