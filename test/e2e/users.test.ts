import { SignJWT } from 'jose';
import { expect, test } from 'vitest';
import { jwtAuth } from '../../src/server/index.ts';
import { connected, holds, numbered, offline, send, shows, useStage } from './browser.ts';

const setStage = useStage();
const secret = 'a secret of thirty-two bytes or more';

function tokenOf(userId: string): Promise<string> {
  return new SignJWT().setProtectedHeader({ alg: 'HS256' }).setSubject(userId).sign(new TextEncoder().encode(secret));
}

/** Somebody who is known by a token only has written offline; the page has been closed. */
async function leftByAlice() {
  const stage = await setStage({ auth: jwtAuth({ secret }) });
  const [alice, bob] = await Promise.all([tokenOf('alice'), tokenOf('bob')]);
  const device = await stage.device();
  const first = await stage.open(device, { address: `token=${alice}` });
  await connected(first);
  const conversation = await first.evaluate(() => chat.create(['bob'], 'group'));
  await first.evaluate(() => chat.keepPage());
  const of = (token: string) => ({ address: `token=${token}&open=${conversation}` });
  await first.goto(`${stage.line.url}/?${of(alice).address}`);
  await connected(first);
  await stage.unplug(device);
  await offline(first);
  await send(first, conversation, numbered('alice', 3));
  await holds(first, 3);
  const stored = async () => {
    const path = `/conversations/${conversation}/messages`;
    const answer = await stage.server.rest(path, '', { headers: { authorization: `Bearer ${bob}` } });
    const messages = (await answer.json()) as { senderId: string; content: string }[];
    return messages.map(({ senderId, content }) => `${senderId}: ${content}`).reverse();
  };
  return { stage, device, page: first, conversation, alice: of(alice), bob: of(bob), stored };
}

test('who is known by a token only is remembered, so that what waits outlives a reload while offline', async () => {
  const { device, page, conversation, stored } = await leftByAlice();
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

test('what one user has left is not sent by another one on the same browser, and waits for the first', async () => {
  const { stage, device, page, conversation, alice, bob, stored } = await leftByAlice();
  await page.close();
  await device.setOffline(false);
  const second = await stage.open(device, bob);
  await connected(second);
  await send(second, conversation, ['bob']);
  await shows(second, conversation, ['sent: bob']);
  await expect.poll(() => second.evaluate(() => chat.outbox())).toEqual([]);
  await holds(second, 3);
  await second.close();
  const third = await stage.open(device, alice);
  await shows(third, conversation, ['sent: bob', ...numbered('sent: alice', 3)]);
  await holds(third, 0);
  expect(await stored()).toEqual(['bob: bob', ...numbered('alice: alice', 3)]);
});

test('what another user writes before the server has said who that is goes out under the right name', async () => {
  const { stage, device, page, conversation, alice, bob, stored } = await leftByAlice();
  await page.close();
  const second = await stage.open(device, bob);
  await send(second, conversation, ['bob']);
  await holds(second, 4);
  await device.setOffline(false);
  await connected(second);
  await shows(second, conversation, ['sent: bob']);
  await expect.poll(() => second.evaluate(() => chat.outbox())).toEqual([]);
  await holds(second, 3);
  await second.close();
  const third = await stage.open(device, alice);
  await shows(third, conversation, ['sent: bob', ...numbered('sent: alice', 3)]);
  expect(await stored()).toEqual(['bob: bob', ...numbered('alice: alice', 3)]);
  await holds(third, 0);
});
