import type { Page } from 'playwright';
import { expect, test } from 'vitest';
import { composer, watchForText, message, openChat, reaches, say, shows, usePlayground } from './playground.ts';

const startPlayground = usePlayground();

async function press(page: Page, ...keys: readonly string[]): Promise<void> {
  for (const key of keys) await page.keyboard.press(key);
}

test('signing in, sending, editing and replying work without a mouse', async () => {
  const playground = await startPlayground();
  const page = await playground.window('');
  await page.keyboard.type('  Alice ');
  await press(page, 'Enter');
  await page.getByRole('button', { name: /^You are Alice/ }).waitFor();

  await page.getByRole('button', { name: 'New chat' }).focus();
  await press(page, 'Enter');
  await page.getByRole('dialog', { name: 'New chat' }).waitFor();
  await page.keyboard.type('bob');
  await press(page, 'Enter', 'Enter');
  await page.getByRole('heading', { name: 'Bob', level: 1 }).waitFor();

  await expect.poll(() => composer(page).evaluate((field) => field === document.activeElement)).toBe(true);
  await page.keyboard.type('two');
  await press(page, 'Shift+Enter');
  await page.keyboard.type('lines');
  await press(page, 'Enter');
  await shows(page, ['two\nlines']);
  await reaches(page, 'two', 'Sent');

  // Arrow Up edits the last message; Escape cancels, Enter saves.
  await press(page, 'ArrowUp');
  expect(await composer(page).inputValue()).toBe('two\nlines');
  await press(page, 'Escape');
  expect(await composer(page).inputValue()).toBe('');
  await press(page, 'ArrowUp', 'Control+A');
  await page.keyboard.type('one line');
  await press(page, 'Enter');
  await shows(page, ['one line']);

  // Moves to the list of messages, which is a single tab stop.
  await page.keyboard.type('another');
  await press(page, 'Enter');
  await reaches(page, 'another', 'Sent');
  await message(page, 'another').focus();
  await press(page, 'ArrowUp');
  await expect.poll(() => page.evaluate(() => document.activeElement?.textContent)).toContain('one line');
  await press(page, 'r');
  await page.getByText('Replying to yourself').waitFor();
  await press(page, 'Escape');
  await expect.poll(() => page.getByText('Replying to yourself').isVisible()).toBe(false);
});

test('menus open with Enter, move with arrow keys and close with Escape', async () => {
  const playground = await startPlayground();
  const alice = await playground.window('alice');
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  await say(alice, 'Hello');
  await reaches(alice, 'Hello', 'Sent');
  await message(alice, 'Hello').focus();
  await press(alice, 'Enter');
  const focused = async (): Promise<string | undefined> =>
    await alice.evaluate(() => document.activeElement?.textContent ?? undefined);
  await expect.poll(focused).toBe('Reply');
  await press(alice, 'ArrowDown');
  expect(await focused()).toBe('Reply in thread');
  await press(alice, 'End');
  expect(await focused()).toBe('Delete');
  await press(alice, 'e');
  expect(await focused()).toBe('Edit');
  await press(alice, 'Escape');
  expect(await alice.getByRole('menu').count()).toBe(0);

  await alice.getByRole('button', { name: /^You are Alice/ }).focus();
  await press(alice, 'Enter', 'd');
  expect(await focused()).toBe('Dark theme');
  await press(alice, 'Enter');
  expect(await alice.evaluate(() => document.documentElement.dataset['theme'])).toBe('dark');
});

test('arrow keys move from the search to the chats', async () => {
  const playground = await startPlayground();
  const alice = await playground.window('alice');
  for (const other of ['bob', 'carol']) {
    const client = await playground.client(other);
    const { id: conversationId } = await client.conversations.create({ type: 'direct', participantIds: ['alice'] });
    await client.messages.send({ conversationId, content: `I am ${other}` });
  }
  await expect.poll(() => alice.locator('.row-title').allTextContents()).toEqual(['Carol', 'Bob']);
  await alice.getByRole('searchbox', { name: 'Search chats and messages' }).focus();
  await press(alice, 'ArrowDown', 'ArrowDown', 'Enter');
  await alice.getByRole('heading', { name: 'Bob', level: 1 }).waitFor();
  await openChat(alice, 'Carol');
});

test('the developer tools show events, which can be filtered, paused and cleared', async () => {
  const playground = await startPlayground();
  const alice = await playground.window('alice');
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  await alice.getByRole('button', { name: /^You are Alice/ }).click();
  await alice.getByRole('menuitem', { name: 'Developer tools' }).click();
  const tools = alice.getByRole('region', { name: 'Developer tools' });
  await say(alice, 'look at me');
  const events = tools.getByRole('list', { name: 'Events' });
  await events.getByText('message:new', { exact: true }).waitFor();
  await tools.getByRole('searchbox', { name: 'Filter events' }).fill('message:pending');
  await expect.poll(() => events.getByRole('listitem').count()).toBe(1);
  await events.getByText('look at me').click();
  await events.locator('pre').getByText('"content": "look at me"').waitFor();

  await tools.getByRole('button', { name: 'Pause' }).click();
  await say(alice, 'unseen');
  await reaches(alice, 'unseen', 'Sent');
  expect(await events.getByRole('listitem').count()).toBe(1);
  await tools.getByRole('button', { name: 'Clear' }).click();
  await tools.getByText('No events yet.').waitFor();

  await tools.getByRole('tab', { name: 'Connection' }).click();
  const guarantees = tools.getByRole('list', { name: 'Guarantees' });
  await expect.poll(() => guarantees.getByRole('img', { name: 'Yes' }).count()).toBe(5);
  await tools.getByRole('button', { name: 'Disconnect' }).click();
  await alice.getByText('Disconnected.').waitFor();
  const back = await watchForText(alice.locator('.banner'), 'Back online');
  await tools.getByRole('button', { name: 'Connect', exact: true }).click();
  await back();
});
