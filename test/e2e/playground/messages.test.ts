import type { Page } from 'playwright';
import { expect, test } from 'vitest';
import {
  choose,
  composer,
  watchForText,
  message,
  openAt,
  openChat,
  say,
  shows,
  showsStatus,
  usePlayground,
} from './playground.ts';

const startPlayground = usePlayground();

/** Opens the chat of Alice and Bob in both windows. */
async function twoWindows(): Promise<[alice: Page, bob: Page]> {
  const playground = await startPlayground();
  const [alice, bob] = await playground.windows(['alice', 'bob']);
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  await openChat(bob, 'Alice');
  return [alice, bob];
}

test('a reaction is shown and counted in both windows and removed by a click', async () => {
  const [alice, bob] = await twoWindows();
  await say(alice, 'Done!');
  const party = bob.getByRole('button', { name: 'Party' });
  await openAt(bob, 'Done!', 'React', party);
  await party.click();
  const seen = message(alice, 'Done!').getByRole('button', { name: '🎉 by Bob' });
  await seen.click();
  const both = message(bob, 'Done!').getByRole('button', { name: '🎉 by You and Alice' });
  await both.getByText('2').waitFor();
  await both.click();
  await message(alice, 'Done!').getByRole('button', { name: '🎉 by You' }).click();
  await expect.poll(() => message(bob, 'Done!').getByRole('button', { name: '🎉' }).count()).toBe(0);
});

test('a message that is hovered while it waits to be sent gets its actions when it is stored', async () => {
  const [alice] = await twoWindows();
  await alice.context().setOffline(true);
  // The connection has ended when the page shows this.
  await alice.getByText('You are offline.').waitFor();
  await say(alice, 'On my way');
  await showsStatus(alice, 'On my way', 'Sending');
  await message(alice, 'On my way').locator('.bubble').hover();
  await alice.context().setOffline(false);
  await message(alice, 'On my way').getByRole('button', { name: 'More', exact: true }).click();
  await alice.getByRole('menuitem', { name: 'Edit' }).waitFor();
});

test('edits and deletions appear in both windows', async () => {
  const [alice, bob] = await twoWindows();
  await say(alice, 'See you at nine');
  await choose(alice, 'See you at nine', 'Edit');
  await alice.getByText('Editing your message').waitFor();
  await say(alice, 'See you at ten');
  await message(bob, 'See you at ten').getByText('edited').waitFor();
  await shows(bob, ['See you at ten']);

  await choose(alice, 'See you at ten', 'Delete');
  await alice.getByRole('dialog', { name: 'Delete this message?' }).getByRole('button', { name: 'Delete' }).click();
  await shows(alice, ['This message was deleted']);
  await shows(bob, ['This message was deleted']);
});

test('a reply shows the quoted message, and a click on the quote jumps to it', async () => {
  const [alice, bob] = await twoWindows();
  await say(alice, 'Tea or coffee?');
  await choose(bob, 'Tea or coffee?', 'Reply');
  await bob.getByText('Replying to Alice').waitFor();
  await say(bob, 'Tea, please');
  const quote = message(alice, 'Tea, please').getByRole('button', { name: /^Reply to You Tea or coffee\?/ });
  await quote.click();
  await expect.poll(() => alice.evaluate(() => document.activeElement?.textContent)).toContain('Tea or coffee?');
});

test('a message can be forwarded to another chat', async () => {
  const [alice] = await twoWindows();
  await say(alice, 'Worth knowing');
  await alice.getByRole('button', { name: 'New chat' }).click();
  await alice.getByLabel('Names of people').fill('zoe');
  await alice.keyboard.press('Enter');
  await alice.getByRole('button', { name: 'Start chat' }).click();
  await alice.getByRole('heading', { name: 'Zoe', level: 1 }).waitFor();
  await openChat(alice, 'Bob');
  await choose(alice, 'Worth knowing', 'Forward');
  const forwarded = await watchForText(alice.locator('.toasts'), 'Forwarded to Zoe');
  await alice.getByRole('dialog').getByRole('button', { name: 'Zoe' }).click();
  await forwarded();
  await openChat(alice, 'Zoe');
  await message(alice, 'Worth knowing').getByText('Forwarded').waitFor();
});

test('drafts are kept per chat', async () => {
  const [alice] = await twoWindows();
  await composer(alice).fill('half a thought');
  await alice.getByRole('button', { name: 'New chat' }).click();
  await alice.getByRole('checkbox').last().check();
  await alice.getByRole('button', { name: 'Start chat' }).click();
  await alice.getByRole('heading', { name: 'Dave', level: 1 }).waitFor();
  expect(await composer(alice).inputValue()).toBe('');
  await openChat(alice, 'Bob');
  expect(await composer(alice).inputValue()).toBe('half a thought');
});
