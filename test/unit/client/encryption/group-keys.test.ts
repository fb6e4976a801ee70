import { beforeEach, expect, test } from 'vitest';
import { toBase64 } from '../../../../src/lib/base64.ts';
import { silentLogger } from '../../../../src/lib/logger.ts';
import { Account, keepPin, NAMES } from '../../../../src/client/encryption/account.ts';
import { newGroup } from '../../../../src/client/encryption/group.ts';
import { acceptKey, giveAgain, receiveForGroup, sealForGroup } from '../../../../src/client/encryption/group-keys.ts';
import { encodePayload, type MessagePayload } from '../../../../src/client/encryption/payload.ts';
import { encodePeer, newPeer, type Own } from '../../../../src/client/encryption/peer-sessions.ts';
import { startWith } from '../../../../src/client/encryption/session-start.ts';
import type { View } from '../../../../src/client/encryption/records.ts';
import { encryptToGroup, prepareChain } from '../../../../src/client/encryption/sender-keys.ts';
import { memoryStorage } from '../../../../src/storage/memory.ts';
import { bundleOf, makeUser, must, NOW, randomOf } from './users.ts';

const random = randomOf('group keys');
const cid = 'team';
const payload: MessagePayload = { kind: 'message', id: 'm1', ts: NOW, cid, type: 'text', content: 'hello' };
const names = ['identity', NAMES.group(cid), NAMES.given(cid), NAMES.peer('bob'), NAMES.pin('bob')];
const bob = makeUser('bob');
/** Bob as somebody else shows him: another identity under his name. */
const other: Own = { ...makeUser('mallory'), userId: 'bob' };

let account: Account;

beforeEach(async () => {
  const atRest = { key: new Uint8Array(32) };
  account = await Account.open({ storage: memoryStorage(), atRest, isVolatile: true, logger: silentLogger }, 'alice');
});

/** A session with Bob under one identity, which is pinned. */
function knows(view: View, user: Own): void {
  const own = { userId: 'alice', identity: account.identity(view) };
  view.put(NAMES.peer('bob'), encodePeer(must(startWith(newPeer('bob'), own, bundleOf(user), random, NOW)).peer));
  keepPin(view, 'bob', { key: toBase64(user.identity.publicKey), verified: false });
}

const memberOf = ({ identity }: Own) => ({ userId: 'bob', identityKey: identity.publicKey });

test('a key is given again under the identity that it was given to, and under no other', async () => {
  const asked = await account.records.transact(names, (view) => {
    knows(view, bob);
    const envelope = sealForGroup(view, account, ['bob'], payload, NOW);
    return envelope && chainIdIn(view);
  });
  const again = (user: Own): Promise<boolean> =>
    account.records.transact(names, (view) => {
      knows(view, user);
      return giveAgain(view, account, memberOf(user), { cid, chainId: asked ?? 0 }, NOW);
    });
  expect(await again(bob)).toBe(true);
  expect(await again(other)).toBe(false);
});

function chainIdIn(view: View): number {
  return (view.read(NAMES.given(cid)) as { chainId: number }).chainId;
}

test('what comes on the chain of an identity that was replaced is not read', async () => {
  const prepared = prepareChain(newGroup(cid), [], random, NOW);
  const sent = must(encryptToGroup(prepared.group, bob, encodePayload(payload), random));
  const read = (pinned: Own) =>
    account.records.transact(names, (view) => {
      knows(view, pinned);
      acceptKey(view, memberOf(bob), prepared.senderKey, NOW);
      return receiveForGroup(view, account, cid, sent.envelope, NOW);
    });
  expect(await read(other)).toMatchObject({ ok: false, reason: 'invalid' });
  expect(await read(bob)).toMatchObject({ ok: true, payload: { content: 'hello' } });
});
