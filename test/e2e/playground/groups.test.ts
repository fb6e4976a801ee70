import type { Page } from 'playwright';
import { expect, test } from 'vitest';
import { message, openChat, say, usePlayground } from './playground.ts';

const startPlayground = usePlayground();

async function createGroup(page: Page, name: string, people: readonly string[]): Promise<void> {
  await page.getByRole('button', { name: 'New chat' }).click();
  for (const person of people) {
    await page.getByLabel('Names of people').fill(person);
    await page.keyboard.press('Enter');
  }
  await page.getByLabel('Group name').fill(name);
  await page.getByRole('button', { name: 'Create group' }).click();
  await page.getByRole('heading', { name, level: 1 }).waitFor();
}

async function showDetails(page: Page): Promise<void> {
  await page.getByRole('button', { name: 'Details', exact: true }).last().click();
  await page.getByRole('complementary', { name: 'Details' }).waitFor();
}

test('owner and admins can create, rename and manage a group, and members can leave it', async () => {
  const playground = await startPlayground();
  const [alice, bob] = await playground.windows(['alice', 'bob']);
  await createGroup(alice, 'Hike', ['bob', 'carol']);
  await openChat(bob, 'Hike');
  await say(alice, 'Welcome');
  await message(bob, 'Welcome').waitFor();
  await message(alice, 'Welcome').getByText('Read by Bob').waitFor({ state: 'attached' });

  await showDetails(alice);
  await alice.getByRole('button', { name: 'Rename' }).click();
  await alice.getByRole('textbox', { name: 'Group name' }).fill('Long hike');
  await alice.keyboard.press('Enter');
  await bob.getByRole('heading', { name: 'Long hike', level: 1 }).waitFor();

  await alice.getByRole('button', { name: 'Add people' }).click();
  await alice.getByLabel('Names of people').fill('dave');
  await alice.keyboard.press('Enter');
  await alice.getByRole('button', { name: 'Add', exact: true }).click();
  await bob.getByText('4 members').first().waitFor();

  await showDetails(bob);
  expect(await bob.getByRole('button', { name: 'Add people' }).count()).toBe(0);
  await alice.getByRole('button', { name: 'Manage Bob' }).click();
  await alice.getByRole('menuitem', { name: 'Make admin' }).click();
  await bob.getByRole('button', { name: 'Add people' }).waitFor();

  await bob.getByRole('button', { name: 'Manage Dave' }).click();
  await bob.getByRole('menuitem', { name: 'Remove from group' }).click();
  await bob.getByRole('dialog', { name: 'Remove Dave?' }).getByRole('button', { name: 'Remove' }).click();
  await alice.getByText('3 members').first().waitFor();

  await bob.getByRole('button', { name: 'Leave group' }).click();
  await bob.getByRole('dialog', { name: 'Leave this group?' }).getByRole('button', { name: 'Leave' }).click();
  await bob.getByText('Choose a chat, or start a new one.').waitFor();
  await alice.getByText('2 members').first().waitFor();
});

test('pin, mute and archive apply only to the user who sets them', async () => {
  const playground = await startPlayground();
  const alice = await playground.window('alice');
  const bob = await playground.client('bob');
  await createGroup(alice, 'Old', ['bob', 'carol']);
  await createGroup(alice, 'New', ['bob', 'dave']);
  const chats = alice.getByRole('list', { name: 'Chats' }).getByRole('button');
  const order = async (): Promise<string[]> => await alice.locator('.row-title').allTextContents();
  await expect.poll(order).toEqual(['New', 'Old']);

  await openChat(alice, 'Old');
  await showDetails(alice);
  await alice.getByRole('switch', { name: 'Pinned' }).click();
  await expect.poll(order).toEqual(['Old', 'New']);
  await alice.getByRole('switch', { name: 'Muted' }).click();
  await chats.first().getByText('Muted').waitFor({ state: 'attached' });
  await alice.getByRole('switch', { name: 'Archived' }).click();
  await expect.poll(order).toEqual(['New']);
  await alice.getByRole('button', { name: 'Archived (1)' }).click();
  await expect.poll(order).toEqual(['Old']);

  await alice.reload();
  await alice.getByRole('button', { name: 'Archived (1)' }).click();
  await chats.first().getByText('Pinned').waitFor({ state: 'attached' });
  const seenByBob = await bob.conversations.list();
  expect(
    seenByBob.map(({ pinned, muted, archived }) => pinned === true || muted === true || archived === true),
  ).toEqual([false, false]);
});
