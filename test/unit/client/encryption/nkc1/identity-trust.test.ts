import { expect, test } from 'vitest';
import {
  evaluateIdentityKey,
  parseIdentityTrust,
  trustState,
  type IdentityTrust,
} from '../../../../../src/client/encryption/nkc1/identity-trust.ts';
import { toBase64 } from '../../../../../src/lib/base64.ts';

const OLD = new Uint8Array(32).fill(1);
const NEW = new Uint8Array(32).fill(2);
const pinned: IdentityTrust = { key: toBase64(OLD), verified: false };
const verified: IdentityTrust = { ...pinned, verified: true };
const change = { userId: 'bob', identityKey: toBase64(NEW), previousKey: toBase64(OLD) };

test.each<
  [
    title: string,
    known: IdentityTrust | undefined,
    presented: Uint8Array,
    policy: 'warn' | 'block',
    decision: object,
    state: string,
  ]
>([
  ['the first key is pinned', undefined, OLD, 'block', { trust: pinned, accepted: true }, 'pinned'],
  ['the same key changes nothing', verified, OLD, 'warn', { trust: verified, accepted: true }, 'verified'],
  [
    '`warn` pins another key and reports the change',
    pinned,
    NEW,
    'warn',
    {
      trust: { key: toBase64(NEW), verified: false, resetAt: undefined, previousKey: toBase64(OLD), changedAt: 1 },
      accepted: true,
      change: { ...change, wasVerified: false, accepted: true },
    },
    'pinned',
  ],
  [
    '`block` holds another key and reports the change',
    pinned,
    NEW,
    'block',
    {
      trust: { ...pinned, changedTo: toBase64(NEW), changedAt: 1 },
      accepted: false,
      change: { ...change, wasVerified: false, accepted: false },
    },
    'changed',
  ],
  [
    'another key of a verified user is held under either policy',
    verified,
    NEW,
    'warn',
    {
      trust: { ...verified, changedTo: toBase64(NEW), changedAt: 1 },
      accepted: false,
      change: { ...change, wasVerified: true, accepted: false },
    },
    'changed',
  ],
  [
    'a change is reported once',
    { ...verified, changedTo: toBase64(NEW) },
    NEW,
    'warn',
    { trust: { ...verified, changedTo: toBase64(NEW), changedAt: 1 }, accepted: false, change: undefined },
    'changed',
  ],
  [
    'the pinned key ends the suspicion of another one',
    { ...verified, changedTo: toBase64(NEW), changedAt: 1 },
    OLD,
    'warn',
    { trust: verified, accepted: true },
    'verified',
  ],
  [
    'a rejected key is ignored',
    { ...verified, rejected: toBase64(NEW) },
    NEW,
    'warn',
    { trust: { ...verified, rejected: toBase64(NEW) }, accepted: false },
    'verified',
  ],
])('%s', (_title, known, presented, policy, decision, state) => {
  const result = evaluateIdentityKey('bob', known, presented, policy, 1);
  expect(result).toEqual(decision);
  expect(trustState(result.trust)).toBe(state);
  expect(parseIdentityTrust(JSON.parse(JSON.stringify(result.trust)))).toEqual(
    JSON.parse(JSON.stringify(result.trust)),
  );
});

test('a malformed stored value is ignored', () => {
  for (const value of [undefined, null, 1, 'x', [], {}, { key: 1 }]) expect(parseIdentityTrust(value)).toBeUndefined();
  expect(trustState(undefined)).toBe('unknown');
});
