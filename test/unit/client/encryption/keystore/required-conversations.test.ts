import { expect, test } from 'vitest';
import { RequiredConversations } from '../../../../../src/client/encryption/keystore/required-conversations.ts';
import { memoryStorage } from '../../../../../src/index.ts';
import { CommError, type ErrorCode } from '../../../../../src/protocol/errors.ts';
import { codeOf } from '../../../../helpers/client/rejection.ts';

function failingWith(code: ErrorCode): RequiredConversations {
  return new RequiredConversations(memoryStorage(), 'direct', {
    conversation: () => Promise.reject(new CommError(code, 'no')),
    report: () => undefined,
  });
}

test('a conversation that can’t be loaded counts as one that requires encryption, unless an exact answer is wanted', async () => {
  for (const code of ['UNAVAILABLE', 'NOT_FOUND'] as const) {
    const required = failingWith(code);
    expect([await required.lastKnown('c'), await required.isRequired('c')]).toEqual([true, true]);
  }
  expect(await codeOf(failingWith('UNAVAILABLE').isRequired('c', true))).toBe('UNAVAILABLE');
  // No later attempt would load it either.
  expect(await failingWith('NOT_FOUND').isRequired('c', true)).toBe(true);
});
