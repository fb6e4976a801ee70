import { expect, test } from 'vitest';
import type { TestUser } from '../../src/testing/connect-user.ts';
import { sessionInit } from '../helpers/server/envelopes.ts';
import { keyBundle } from '../helpers/server/keys.ts';
import { MAX_DELAY_MS, MEGABYTE, startAttackedServer } from './test-bed.ts';

const ACCOUNTS = 36;
const LARGE = ['a', 'b', 'c', 'd'].map((text) => text.padEnd(90_000, '.'));

test('many accounts neither fill the mailbox of a user nor take the last prekeys: friends still reach the user', async () => {
  await using server = await startAttackedServer();
  await using victim = await server.connect('victim');
  await using owner = await server.connect('owner');
  await using friend = await server.connect('friend');
  for (const user of [victim, owner]) {
    const { id: conversationId } = await user.request('conversation:create', {
      type: 'direct',
      participantIds: ['friend'],
    });
    await user.send(conversationId, 'hello');
  }
  await owner.request('encryption:upload-keys', keyBundle(100));
  const sendAll = (user: TestUser): Promise<PromiseSettledResult<null>[]> =>
    Promise.allSettled(
      LARGE.map((text) => user.request('encryption:session-init', sessionInit(user.userId, 'victim', text))),
    );
  let [rejected, taken] = [0, 0];
  const cost = await server.attack(async () => {
    for (let account = 0; account < ACCOUNTS; account += 1) {
      await using attacker = await server.connect(`attacker-${account}`);
      await attacker.request('conversation:create', { type: 'group', participantIds: ['victim', 'owner', 'friend'] });
      rejected += (await sendAll(attacker)).filter(({ status }) => status === 'rejected').length;
      const keys = await Promise.all(
        Array.from({ length: 5 }, () => attacker.request('encryption:request-keys', { recipientId: 'owner' })),
      );
      taken += keys.filter(({ oneTimePreKey }) => oneTimePreKey !== undefined).length;
    }
  });
  expect(rejected).toBeGreaterThan(0);
  // A fifth is reserved for users whom the owner knows.
  expect(taken).toBeLessThanOrEqual(80);
  expect((await sendAll(friend)).map(({ status }) => status)).toEqual(LARGE.map(() => 'fulfilled'));
  expect(await friend.request('encryption:request-keys', { recipientId: 'owner' })).toHaveProperty('oneTimePreKey');
  expect(cost.served).toBeGreaterThan(0);
  expect(cost.peakBytes).toBeLessThan(150 * MEGABYTE);
  expect(cost.delayMs).toBeLessThan(MAX_DELAY_MS);
});
