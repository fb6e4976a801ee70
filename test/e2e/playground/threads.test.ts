import type { Locator, Page } from 'playwright';
import { expect, test } from 'vitest';
import { isAccessible } from './accessibility.ts';
import { choose, message, openChat, say, usePlayground } from './playground.ts';

const startPlayground = usePlayground();

function replies(page: Page): Locator {
  return page.getByRole('list', { name: 'Replies', exact: true }).locator('.message-content');
}

async function reply(page: Page, text: string): Promise<void> {
  await page.getByRole('textbox', { name: 'Reply', exact: true }).fill(text);
  await page.keyboard.press('Enter');
}

test('a thread is live in two windows, and its unread replies are marked until it is opened', async () => {
  const playground = await startPlayground();
  const [alice, bob] = await playground.windows(['alice', 'bob']);
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  await say(alice, 'Where do we go');
  await openChat(bob, 'Alice');
  await choose(bob, 'Where do we go', 'Reply in thread');
  await reply(bob, 'To the lake');
  await message(alice, 'Where do we go').getByRole('button', { name: '1 reply' }).click();
  await replies(alice).getByText('To the lake').waitFor();
  await reply(alice, 'By train');
  await expect.poll(() => replies(bob).allTextContents()).toEqual(['To the lake', 'By train']);
  await isAccessible(alice);
  await message(bob, 'Where do we go').getByRole('button', { name: '2 replies' }).waitFor();
  expect(await message(bob, 'By train').count()).toBe(0);

  await alice.getByRole('button', { name: 'Close thread' }).click();
  await replies(alice).first().waitFor({ state: 'detached' });
  await bob.getByRole('checkbox', { name: 'Also send to the chat' }).check();
  await reply(bob, 'At nine');
  await message(alice, 'At nine').getByRole('button', { name: 'Reply in a thread' }).waitFor();
  const link = message(alice, 'Where do we go').getByRole('button', { name: '3 replies' });
  await link.getByText('Unread replies').waitFor({ state: 'attached' });
  await link.click();
  await replies(alice).getByText('At nine').waitFor();
  await link.getByText('Unread replies').waitFor({ state: 'detached' });
});
