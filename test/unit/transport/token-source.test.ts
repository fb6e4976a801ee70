import { expect, test } from 'vitest';
import { deferred } from '../../../src/lib/deferred.ts';
import { MAX_TOKEN_REFUSALS, TokenSource } from '../../../src/transport/token-source.ts';

/** A source whose function hands out `token 1`, `token 2`… */
function counting(): { tokens: TokenSource; asked: () => number } {
  let asked = 0;
  return { tokens: new TokenSource(() => `token ${(asked += 1)}`), asked: () => asked };
}

test('without a token there is none', async () => {
  expect(await new TokenSource(undefined).get()).toBeUndefined();
});

test('a string is the token for ever, and there is no other to ask for', async () => {
  const tokens = new TokenSource('fixed');
  expect(await tokens.get()).toBe('fixed');
  expect(tokens.refused('fixed')).toBe(false);
  expect(await tokens.get()).toBe('fixed');
});

test('the function is not called before somebody needs a token', () => {
  const { asked } = counting();
  expect(asked()).toBe(0);
});

test('however many ask at the same time, the app is asked once', async () => {
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

test('a refused token is asked for anew', async () => {
  const { tokens } = counting();
  const first = await tokens.get();
  expect(tokens.refused(first)).toBe(true);
  expect(await tokens.get()).toBe('token 2');
});

test('requests that were refused with the same token ask for one new token, not for one each', async () => {
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

test('after so many refusals in a row it is no use', async () => {
  const { tokens } = counting();
  const answers: boolean[] = [];
  for (let count = 0; count < MAX_TOKEN_REFUSALS; count += 1) answers.push(tokens.refused(await tokens.get()));
  expect(answers).toEqual([true, true, false]);
});

test('the same token again counts as refused again', async () => {
  const tokens = new TokenSource(() => 'stale');
  const answers = [
    tokens.refused(await tokens.get()),
    tokens.refused(await tokens.get()),
    tokens.refused(await tokens.get()),
  ];
  expect(answers).toEqual([true, true, false]);
});

test('being accepted starts the count anew', async () => {
  const { tokens } = counting();
  tokens.refused(await tokens.get());
  tokens.refused(await tokens.get());
  tokens.accepted();
  expect(tokens.refused(await tokens.get())).toBe(true);
});

test('a function that throws or rejects is asked again next time', async () => {
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
