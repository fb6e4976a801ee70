import { expect, test } from 'vitest';
import { indexChain } from '../../../../../src/client/encryption/groups/chain-index.ts';
import { RECEIVING_CHAINS, RECORDS } from '../../../../../src/client/encryption/keystore/keystore.ts';
import { openKeystore } from '../../../../helpers/client/keystore.ts';
import { NOW } from '../nkc1/parties.ts';

/** Stores chains of Bob, one a conversation and a millisecond apart, and returns the conversations whose chain was kept. */
async function storeChains(count: number, bytes: number): Promise<string[]> {
  const { records } = await openKeystore('alice');
  const cids = Array.from({ length: count }, (_, at) => `invented ${at}`);
  const name = (cid: string): string => RECORDS.receivingChain(cid, 'bob', 1);
  await records.transact([RECORDS.chainIndex('bob'), ...cids.map(name)], (tx) => {
    for (const [at, cid] of cids.entries()) {
      tx.put(name(cid), new Uint8Array(1));
      indexChain(tx, 'bob', { cid, chainId: 1, bytes }, NOW + at);
    }
  });
  const kept = new Set(await records.listNames(RECEIVING_CHAINS));
  return cids.filter((cid) => kept.has(name(cid)));
}

test('a sender who invents conversations loses their own oldest chains', async () => {
  const kept = await storeChains(303, 100);
  expect(kept).toHaveLength(300);
  expect(kept[0]).toBe('invented 3');
});

test('the chains of a sender take at most 512 KiB', async () => {
  expect(await storeChains(20, 64 * 1_024)).toEqual(Array.from({ length: 8 }, (_, at) => `invented ${at + 12}`));
});
