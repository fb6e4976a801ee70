import { beforeEach, expect, test } from 'vitest';
import { toBase64 } from '../../../../../src/lib/base64.ts';
import {
  DISTRIBUTED_KEYS,
  type Keystore,
  putTrust,
  RECEIVING_CHAINS,
  RECORDS,
} from '../../../../../src/client/encryption/keystore/keystore.ts';
import { newSenderKeyRecord } from '../../../../../src/client/encryption/nkc1/sender-key-record.ts';
import {
  acceptDistribution,
  chainIdOf,
  deleteExpiredDistributedKeys,
  deleteGroupKeys,
  endChainsFor,
  recordsForChain,
  redistribute,
  decryptFromGroup,
  encryptForGroup,
} from '../../../../../src/client/encryption/groups/group-encryption.ts';
import { putMemberPin } from '../../../../../src/client/encryption/groups/member-pin.ts';
import { deleteUnknownChains } from '../../../../../src/client/encryption/groups/unknown-chains.ts';
import { encodePayload, type MessagePayload } from '../../../../../src/client/encryption/nkc1/payload.ts';
import {
  encodeSessionRecord,
  newSessionRecord,
  type LocalParty,
} from '../../../../../src/client/encryption/nkc1/session-record.ts';
import type { RecordTransaction } from '../../../../../src/client/encryption/keystore/record-store.ts';
import { openKeystore } from '../../../../helpers/client/keystore.ts';
import { bundleOf, makeUser, DAY, unwrap, NOW, randomOf } from '../nkc1/parties.ts';
import { GroupCipher } from '../../../../../src/client/encryption/nkc1/group-cipher.ts';
import { GroupSessionBuilder } from '../../../../../src/client/encryption/nkc1/group-session-builder.ts';
import { SessionBuilder } from '../../../../../src/client/encryption/nkc1/session-builder.ts';

const random = randomOf('group keys');
const cid = 'team';
const payload: MessagePayload = { kind: 'message', id: 'm1', ts: NOW, cid, type: 'text', content: 'hello' };
const names = ['identity', RECORDS.sendingChain(cid), RECORDS.session('bob'), RECORDS.trust('bob')];
const bob = makeUser('bob');
/** Another identity under Bob's user id. */
const impostor: LocalParty = { ...makeUser('mallory'), userId: 'bob' };

let keystore: Keystore;

beforeEach(async () => {
  keystore = await openKeystore('alice');
});

/** Stores a session with Bob under an identity, and pins it. */
function putSession(tx: RecordTransaction, user: LocalParty): void {
  const local = keystore.localIdentity(tx);
  tx.put(
    RECORDS.session('bob'),
    encodeSessionRecord(
      unwrap(SessionBuilder.initiate(newSessionRecord('bob'), local, bundleOf(user), random, NOW)).record,
    ),
  );
  putTrust(tx, 'bob', { key: toBase64(user.identity.publicKey), verified: false });
}

const memberOf = ({ identity }: LocalParty) => ({ userId: 'bob', identityKey: identity.publicKey });

test('a sender key is distributed again to the same identity only', async () => {
  const chainId = await send(NOW);
  expect(await again(bob, chainId, NOW)).toBe(true);
  expect(await again(impostor, chainId, NOW)).toBe(false);
});

test('the key of a replaced chain is distributed again for 30 days', async () => {
  const first = await send(NOW);
  const second = await send(NOW + 8 * DAY);
  expect(second).not.toBe(first);
  expect(await again(bob, first, NOW + 30 * DAY - 1)).toBe(true);
  expect(await again(bob, first, NOW + 30 * DAY)).toBe(false);
  const given = () => keystore.records.listNames(DISTRIBUTED_KEYS);
  expect(await given()).toHaveLength(2);
  await deleteExpiredDistributedKeys(keystore, NOW + 31 * DAY);
  expect(await given()).toEqual([RECORDS.distributedKey(cid, second, 'bob')]);
});

/** Sends a message to the group of Bob. Returns the id of its chain. */
async function send(now: number): Promise<number> {
  const envelope = await keystore.records.transact(names, (tx) => {
    putSession(tx, bob);
    return encryptForGroup(tx, keystore, ['bob'], payload, now);
  });
  return (envelope && chainIdOf(envelope)) ?? 0;
}

/** Requests a sender key. Returns whether it is sent again. */
function again(user: LocalParty, chainId: number, now: number): Promise<boolean> {
  return keystore.records.transact([...names, RECORDS.distributedKey(cid, chainId, 'bob')], (tx) => {
    putSession(tx, user);
    return redistribute(tx, keystore, memberOf(user), { cid, chainId }, now);
  });
}

/** A chain of Bob with one sent message in any conversation. */
function chainOfBob(conversationId: string) {
  const prepared = GroupSessionBuilder.prepare(newSenderKeyRecord(conversationId), [], random, NOW);
  const body = encodePayload({ ...payload, cid: conversationId });
  const { record, envelope } = unwrap(GroupCipher.encrypt(prepared.record, bob, body, random));
  return { record, senderKey: prepared.senderKey, envelope };
}

async function accept({ senderKey }: ReturnType<typeof chainOfBob>, now = NOW): Promise<void> {
  const declared = recordsForChain(senderKey.cid, 'bob', senderKey.chainId);
  await keystore.records.transact(declared, (tx) => acceptDistribution(tx, memberOf(bob), senderKey, now));
}

test('decrypting a message writes the record of its chain and no other chain', async () => {
  const [one, two] = [chainOfBob(cid), chainOfBob(cid)];
  await accept(one);
  await accept(two);
  const stored = async (): Promise<(Uint8Array | undefined)[]> => {
    const chains = [one, two].map(({ senderKey }) => RECORDS.receivingChain(cid, 'bob', senderKey.chainId));
    return keystore.records.transact(chains, (tx) => chains.map((name) => tx.get(name)));
  };
  const before = await stored();
  await keystore.records.transact([...names, ...recordsForChain(cid, 'bob', two.senderKey.chainId)], (tx) => {
    putSession(tx, bob);
    expect(decryptFromGroup(tx, keystore, cid, two.envelope, NOW)).toMatchObject({ ok: true });
  });
  const after = await stored();
  expect(after[0]).toEqual(before[0]);
  expect(after[1]).not.toEqual(before[1]);
});

test('the chains of a sender are kept for 30 days', async () => {
  const chains = Array.from({ length: 10 }, () => chainOfBob(cid));
  for (const [at, chain] of chains.entries()) await accept(chain, NOW + at * DAY);
  expect(await keystore.records.listNames(RECEIVING_CHAINS)).toHaveLength(10);
  await accept(chainOfBob(cid), NOW + 32 * DAY);
  expect(await keystore.records.listNames(RECEIVING_CHAINS)).toHaveLength(8);
});

test('the keys of a conversation that the user has left are deleted', async () => {
  await accept(chainOfBob(cid));
  await accept(chainOfBob('another'));
  await send(NOW);
  await deleteGroupKeys(keystore, cid);
  const kept = await Promise.all(
    [RECEIVING_CHAINS, DISTRIBUTED_KEYS, RECORDS.sendingChain('')].map((prefix) => keystore.records.listNames(prefix)),
  );
  expect(kept.flat()).toEqual([expect.stringContaining('another')]);
});

test('the chains of unknown conversations are deleted, and the others kept', async () => {
  for (const id of ['invented', 'unpinned', 'pinned', 'also invented']) await accept(chainOfBob(id));
  await keystore.records.transact([], (tx) => putMemberPin(tx, 'pinned', { type: 'group', userIds: ['bob'] }));
  const asked: string[] = [];
  await deleteUnknownChains(keystore, (id) => {
    asked.push(id);
    return Promise.resolve(id === 'unpinned');
  });
  expect(asked.toSorted()).toEqual(['also invented', 'invented', 'unpinned']);
  const kept = (await keystore.records.listNames(RECEIVING_CHAINS)).map((name) => name.split('/')[1]);
  expect(kept).toEqual(['pinned', 'unpinned']);
});

test('a member who resets the session ends the chains of which they have the key, and no others', async () => {
  const first = await send(NOW);
  await endChainsFor(keystore, 'another');
  const same = await send(NOW);
  await endChainsFor(keystore, 'bob');
  const next = await send(NOW);
  expect(same).toBe(first);
  expect(next).not.toBe(first);
});

test('a message at a position of the chain that was used counts against the session', async () => {
  const chain = chainOfBob(cid);
  await accept(chain);
  const decrypt = () =>
    keystore.records.transact([...names, ...recordsForChain(cid, 'bob', chain.senderKey.chainId)], (tx) => {
      putSession(tx, bob);
      return decryptFromGroup(tx, keystore, cid, chain.envelope, NOW);
    });
  expect(await decrypt()).toMatchObject({ ok: true });
  expect(await decrypt()).toMatchObject({ ok: false, reason: 'no-sender-key', sessionFailure: 'replay' });
});

test('a message on the chain of a replaced identity is rejected', async () => {
  const prepared = GroupSessionBuilder.prepare(newSenderKeyRecord(cid), [], random, NOW);
  const sent = unwrap(GroupCipher.encrypt(prepared.record, bob, encodePayload(payload), random));
  const declared = recordsForChain(cid, 'bob', prepared.senderKey.chainId);
  const decrypt = (pinned: LocalParty) =>
    keystore.records.transact([...names, ...declared], (tx) => {
      acceptDistribution(tx, memberOf(bob), prepared.senderKey, NOW);
      putSession(tx, pinned);
      return decryptFromGroup(tx, keystore, cid, sent.envelope, NOW);
    });
  expect(await decrypt(impostor)).toMatchObject({ ok: false, reason: 'invalid' });
  expect(await decrypt(bob)).toMatchObject({ ok: true, payload: { content: 'hello' } });
});
