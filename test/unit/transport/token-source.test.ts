import { expect, test } from 'vitest';
import { deferred } from '../../../src/lib/deferred.ts';
import { MAX_TOKEN_REFUSALS, TokenSource } from '../../../src/transport/token-source.ts';

/** A source whose function returns `token 1`, `token 2`… */
function counting(): { tokens: TokenSource; asked: () => number } {
  let asked = 0;
  return { tokens: new TokenSource(() => `token ${(asked += 1)}`), asked: () => asked };
}

test('get() without a token returns undefined', async () => {
  expect(await new TokenSource(undefined).get()).toBeUndefined();
});

test('a fixed token is always returned and can not be renewed', async () => {
  const tokens = new TokenSource('fixed');
  expect(await tokens.get()).toBe('fixed');
  expect(tokens.refused('fixed')).toBe(false);
  expect(await tokens.get()).toBe('fixed');
});

test('the token function is not called before the first get()', () => {
  const { asked } = counting();
  expect(asked()).toBe(0);
});

test('concurrent calls of get() share one call of the token function', async () => {
  const token = deferred<string>();
  let asked = 0;
  const tokens = new TokenSource(() => {
    asked += 1;
    return token.promise;
  });
  const all = Promise.all([tokens.get(), tokens.get(), tokens.get()]);
  token.resolve('one');
  expect(await all).toEqual(['one', 'one', 'one']);
  expect(await tokens.get()).toBe('one');
  expect(asked).toBe(1);
});

test('a rejected token is requested again', async () => {
  const { tokens } = counting();
  const first = await tokens.get();
  expect(tokens.refused(first)).toBe(true);
  expect(await tokens.get()).toBe('token 2');
});

test('several rejections of one token request one new token', async () => {
  const { tokens, asked } = counting();
  const first = await tokens.get();
  expect([tokens.refused(first), tokens.refused(first), tokens.refused(first), tokens.refused(first)]).toEqual([
    true,
    true,
    true,
    true,
  ]);
  expect(await tokens.get()).toBe('token 2');
  expect(tokens.refused(first)).toBe(true);
  expect(await tokens.get()).toBe('token 2');
  expect(asked()).toBe(2);
});

test('refused() returns false after three consecutive rejections', async () => {
  const { tokens } = counting();
  const answers: boolean[] = [];
  for (let count = 0; count < MAX_TOKEN_REFUSALS; count += 1) answers.push(tokens.refused(await tokens.get()));
  expect(answers).toEqual([true, true, false]);
});

test('an unchanged token that is rejected again counts', async () => {
  const tokens = new TokenSource(() => 'stale');
  const answers = [
    tokens.refused(await tokens.get()),
    tokens.refused(await tokens.get()),
    tokens.refused(await tokens.get()),
  ];
  expect(answers).toEqual([true, true, false]);
});

test('accepted() resets the count of rejections', async () => {
  const { tokens } = counting();
  tokens.refused(await tokens.get());
  tokens.refused(await tokens.get());
  tokens.accepted();
  expect(tokens.refused(await tokens.get())).toBe(true);
});

test('after an error the next get() calls the token function again', async () => {
  let asked = 0;
  const tokens = new TokenSource(() => {
    asked += 1;
    if (asked === 1) throw new Error('thrown');
    return asked === 2 ? Promise.reject(new Error('rejected')) : 'token';
  });
  await expect(tokens.get()).rejects.toThrow('thrown');
  await expect(tokens.get()).rejects.toThrow('rejected');
  expect(await tokens.get()).toBe('token');
});
