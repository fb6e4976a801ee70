import { SignJWT } from 'jose';
import { expect, test } from 'vitest';
import { jwtAuth } from '../../src/server/index.ts';
import { connected, waitForQueued, numbered, offline, send, shows, useTestBed } from './browser.ts';

const startTestBed = useTestBed();
const secret = 'a secret of thirty-two bytes or more';

function tokenOf(userId: string): Promise<string> {
  return new SignJWT()
    .setProtectedHeader({ alg: 'HS256' })
    .setSubject(userId)
    .setIssuedAt()
    .sign(new TextEncoder().encode(secret));
}

/** Alice, identified only by a token, writes messages offline. */
async function queuedByAlice() {
  const testBed = await startTestBed({ auth: jwtAuth({ secret }) });
  const [alice, bob] = await Promise.all([tokenOf('alice'), tokenOf('bob')]);
  const device = await testBed.device();
  const first = await testBed.open(device, { address: `token=${alice}` });
  await connected(first);
  const conversation = await first.evaluate(() => chat.create(['bob'], 'group'));
  await first.evaluate(() => chat.cachePage());
  const of = (token: string) => ({ address: `token=${token}&open=${conversation}` });
  await first.goto(`${testBed.proxy.url}/?${of(alice).address}`);
  await connected(first);
  await testBed.unplug(device);
  await offline(first);
  await send(first, conversation, numbered('alice', 3));
  await waitForQueued(first, 3);
  const stored = async () => {
    const path = `/conversations/${conversation}/messages`;
    const answer = await testBed.server.rest(path, '', { headers: { authorization: `Bearer ${bob}` } });
    const messages = (await answer.json()) as { senderId: string; content: string }[];
    return messages.map(({ senderId, content }) => `${senderId}: ${content}`).reverse();
  };
  return { testBed, device, page: first, conversation, alice: of(alice), bob: of(bob), stored };
}

test('the user of a token is remembered, so that queued messages survive a reload while offline', async () => {
  const { device, page, conversation, stored } = await queuedByAlice();
  await page.reload();
  await shows(page, conversation, numbered('sending: alice', 3));
  expect(await page.evaluate(() => chat.client.userId)).toBe('alice');
  expect(await page.evaluate((id) => chat.messages(id).map(({ senderId }) => senderId), conversation)).toEqual(
    Array.from({ length: 3 }, () => 'alice'),
  );
  await device.setOffline(false);
  await shows(page, conversation, numbered('sent: alice', 3));
  expect(await stored()).toEqual(numbered('alice: alice', 3));
});

test('messages queued by one user are not sent by another user of the same browser', async () => {
  const { testBed, device, page, conversation, alice, bob, stored } = await queuedByAlice();
  await page.close();
  await device.setOffline(false);
  const second = await testBed.open(device, bob);
  await connected(second);
  await send(second, conversation, ['bob']);
  await shows(second, conversation, ['sent: bob']);
  await expect.poll(() => second.evaluate(() => chat.outbox())).toEqual([]);
  await waitForQueued(second, 3);
  await second.close();
  const third = await testBed.open(device, alice);
  await shows(third, conversation, ['sent: bob', ...numbered('sent: alice', 3)]);
  await waitForQueued(third, 0);
  expect(await stored()).toEqual(['bob: bob', ...numbered('alice: alice', 3)]);
});

test('messages that another user writes before the first connection are sent as that user', async () => {
  const { testBed, device, page, conversation, alice, bob, stored } = await queuedByAlice();
  await page.close();
  const second = await testBed.open(device, bob);
  await send(second, conversation, ['bob']);
  await waitForQueued(second, 4);
  await device.setOffline(false);
  await connected(second);
  await shows(second, conversation, ['sent: bob']);
  await expect.poll(() => second.evaluate(() => chat.outbox())).toEqual([]);
  await waitForQueued(second, 3);
  await second.close();
  const third = await testBed.open(device, alice);
  await shows(third, conversation, ['sent: bob', ...numbered('sent: alice', 3)]);
  expect(await stored()).toEqual(['bob: bob', ...numbered('alice: alice', 3)]);
  await waitForQueued(third, 0);
});
