import { expect, test } from 'vitest';
import { UserSlots } from '../../../../../src/server/services/limits/user-slots.ts';

const refused = expect.objectContaining({ code: 'RATE_LIMITED', message: 'too many', retryAfterMs: 5 }) as Error;

test('the slot above the maximum is refused, other users are not affected', () => {
  const slots = new UserSlots({ max: () => 2, message: 'too many', retryAfterMs: 5 });
  const release = slots.take('alice');
  slots.take('alice');
  expect(() => slots.check('alice')).toThrow(refused);
  expect(() => slots.take('alice')).toThrow(refused);
  slots.take('bob');
  release();
  slots.take('alice');
});

test('releasing a slot is idempotent', () => {
  const slots = new UserSlots({ max: () => 2, message: 'too many', retryAfterMs: 5 });
  const release = slots.take('alice');
  slots.take('alice');
  release();
  release();
  slots.take('alice');
  expect(() => slots.take('alice')).toThrow(refused);
});
