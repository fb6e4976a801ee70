import { expect, test } from 'vitest';
import { meet, readPin, trustIn, type Pin } from '../../../../src/client/encryption/trust.ts';
import { toBase64 } from '../../../../src/lib/base64.ts';

const OLD = new Uint8Array(32).fill(1);
const NEW = new Uint8Array(32).fill(2);
const pinned: Pin = { key: toBase64(OLD), verified: false };
const verified: Pin = { ...pinned, verified: true };
const change = { userId: 'bob', identityKey: toBase64(NEW), previousKey: toBase64(OLD) };

test.each<
  [title: string, pin: Pin | undefined, shown: Uint8Array, policy: 'warn' | 'block', met: object, trust: string]
>([
  ['the first key is pinned', undefined, OLD, 'block', { pin: pinned, accepted: true }, 'pinned'],
  ['the same key changes nothing', verified, OLD, 'warn', { pin: verified, accepted: true }, 'verified'],
  [
    'with `warn` another key is pinned and told',
    pinned,
    NEW,
    'warn',
    {
      pin: { key: toBase64(NEW), verified: false, resetAt: undefined },
      accepted: true,
      change: { ...change, wasVerified: false, accepted: true },
    },
    'pinned',
  ],
  [
    'with `block` another key is held and told',
    pinned,
    NEW,
    'block',
    {
      pin: { ...pinned, changedTo: toBase64(NEW) },
      accepted: false,
      change: { ...change, wasVerified: false, accepted: false },
    },
    'changed',
  ],
  [
    'another key of somebody who is verified is held, whatever the policy',
    verified,
    NEW,
    'warn',
    {
      pin: { ...verified, changedTo: toBase64(NEW) },
      accepted: false,
      change: { ...change, wasVerified: true, accepted: false },
    },
    'changed',
  ],
  [
    'a change that was told is not told again',
    { ...verified, changedTo: toBase64(NEW) },
    NEW,
    'warn',
    { pin: { ...verified, changedTo: toBase64(NEW) }, accepted: false, change: undefined },
    'changed',
  ],
])('%s', (_title, pin, shown, policy, met, trust) => {
  const result = meet('bob', pin, shown, policy);
  expect(result).toEqual(met);
  expect(trustIn(result.pin)).toBe(trust);
  expect(readPin(JSON.parse(JSON.stringify(result.pin)))).toEqual(JSON.parse(JSON.stringify(result.pin)));
});

test('what is no pin is none', () => {
  for (const value of [undefined, null, 1, 'x', [], {}, { key: 1 }]) expect(readPin(value)).toBeUndefined();
  expect(trustIn(undefined)).toBe('unknown');
});
