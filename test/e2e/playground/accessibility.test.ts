import type { Locator } from 'playwright';
import { expect, test } from 'vitest';
import { choose, composer, message, openChat, openEncryptionMenu, reaches, say, usePlayground } from './playground.ts';

const startPlayground = usePlayground();

test('on phones the list and the conversation are two screens with a back button', async () => {
  const playground = await startPlayground();
  const bob = await playground.client('bob');
  const { id } = await bob.conversations.create({ type: 'group', name: 'Hike', participantIds: ['alice', 'carol'] });
  await bob.messages.send({ conversationId: id, content: 'Who comes?' });
  const page = await playground.window('alice', {
    viewport: { width: 390, height: 780 },
    hasTouch: true,
    isMobile: true,
  });
  const list = page.getByRole('list', { name: 'Chats' });
  await list.getByRole('button', { name: 'Hike' }).tap();
  await message(page, 'Who comes?').waitFor();
  expect(await list.isVisible()).toBe(false);

  await message(page, 'Who comes?')
    .locator('.bubble')
    .tap({ position: { x: 20, y: 10 } });
  await message(page, 'Who comes?').getByRole('button', { name: 'React' }).tap();
  await page.getByRole('button', { name: 'Heart' }).tap();
  await message(page, 'Who comes?').getByRole('button', { name: '❤️ by You' }).waitFor();
  await composer(page).fill('From my pocket');
  await page.getByRole('button', { name: 'Send', exact: true }).tap();
  await reaches(page, 'From my pocket', 'Sent');

  await page.getByRole('button', { name: 'Back to all chats' }).tap();
  await list.waitFor();
  await page.goBack();
  await message(page, 'From my pocket').waitFor();
});

test('prefers-reduced-motion disables animations', async () => {
  const playground = await startPlayground();
  const page = await playground.window('alice', { reducedMotion: 'reduce' });
  await page.getByRole('button', { name: 'Chat with Bob' }).click();
  await page.getByRole('button', { name: 'Details', exact: true }).last().click();
  await page.getByRole('switch', { name: 'Pinned' }).waitFor();
  const longest = await page.evaluate(() =>
    Math.max(
      0,
      ...[...document.querySelectorAll('*')].map((each) => Number.parseFloat(getComputedStyle(each).animationDuration)),
    ),
  );
  expect(longest).toBeLessThan(0.001);
});

test('new messages are announced to screen readers', async () => {
  const playground = await startPlayground();
  const alice = await playground.window('alice');
  const bob = await playground.client('bob');
  const { id: conversationId } = await bob.conversations.create({ type: 'direct', participantIds: ['alice'] });
  await bob.messages.send({ conversationId, content: 'psst' });
  const said = alice.getByRole('log', { name: 'Announcements' });
  await said.getByText('New message from Bob').waitFor({ state: 'attached' });
  await openChat(alice, 'Bob');
  await bob.messages.send({ conversationId, content: 'over here' });
  await said.getByText('Bob: over here').waitFor({ state: 'attached' });
});

test('screen readers get the sender of every message', async () => {
  const playground = await startPlayground();
  const bob = await playground.client('bob');
  const { id: conversationId } = await bob.conversations.create({ type: 'direct', participantIds: ['alice'] });
  for (const content of ['first', 'second']) await bob.messages.send({ conversationId, content });
  const page = await playground.window('alice');
  await openChat(page, 'Bob');
  await say(page, 'third');
  await reaches(page, 'third', 'Sent');
  const seen = await page.getByRole('list', { name: 'Messages', exact: true }).ariaSnapshot();
  const lines = seen.split('\n').filter((line) => /first|second|third/.test(line));
  expect(lines.map((line) => /(Bob|You):? (first|second|third)/.exec(line)?.slice(1))).toEqual([
    ['Bob', 'first'],
    ['Bob', 'second'],
    ['You', 'third'],
  ]);
});

test('a deleted message has no actions, also if they were in use', async () => {
  const playground = await startPlayground();
  const page = await playground.window('alice');
  await page.getByRole('button', { name: 'Chat with Bob' }).click();
  await say(page, 'Wrong chat');
  await reaches(page, 'Wrong chat', 'Sent');
  await choose(page, 'Wrong chat', 'Delete');
  await page.getByRole('dialog', { name: 'Delete this message?' }).getByRole('button', { name: 'Delete' }).click();
  const gone = message(page, 'This message was deleted');
  await gone.waitFor();
  await expect.poll(() => gone.evaluate((row) => row === document.activeElement)).toBe(true);
  await gone.locator('.bubble').hover();
  expect(await gone.getByRole('button').count()).toBe(0);
  await gone.press('Enter');
  await gone.press('r');
  expect(await page.getByRole('menu').count()).toBe(0);
  expect(await page.getByText('Replying to').count()).toBe(0);
});

test('on phones a long title of a chat is readable, and the hidden buttons are in its menu', async () => {
  const playground = await startPlayground();
  const bob = await playground.client('bob');
  const { id } = await bob.conversations.create({ type: 'group', name: 'Product launch', participantIds: ['alice'] });
  await bob.messages.send({ conversationId: id, content: 'Soon' });
  const page = await playground.window('alice', { viewport: { width: 320, height: 700 } });
  await openChat(page, 'Product launch');
  const title = page.getByRole('heading', { name: 'Product launch', level: 1 });
  const isCut = (element: Element): boolean =>
    element.scrollWidth > element.clientWidth || element.scrollHeight > element.clientHeight;
  expect(await title.evaluate(isCut)).toBe(false);
  await openEncryptionMenu(page);
  await page.getByRole('menuitem', { name: 'Encrypt from now on' }).waitFor();
  await page.keyboard.press('Escape');
  await page.getByRole('button', { name: 'More about this chat' }).click();
  await page.getByRole('menuitem', { name: 'Video call', exact: true }).waitFor();
});

test('a page has one main heading: that of the list, or the title of the open chat', async () => {
  const playground = await startPlayground();
  const page = await playground.window('alice');
  const headings = (): Promise<string[]> => page.getByRole('heading', { level: 1 }).allTextContents();
  await expect.poll(headings).toEqual(['Chats']);
  await page.getByRole('button', { name: 'Chat with Bob' }).click();
  await expect.poll(headings).toEqual(['Bob']);
});

test('times are written as the locale writes them', async () => {
  const playground = await startPlayground();
  const bob = await playground.client('bob');
  const { id: conversationId } = await bob.conversations.create({ type: 'direct', participantIds: ['alice'] });
  await bob.messages.send({ conversationId, content: 'early' });
  // It is between three and five where Alice is.
  const hours = (3 - new Date().getUTCHours() + 24) % 24;
  const timezoneId = hours > 12 ? `Etc/GMT+${24 - hours}` : `Etc/GMT-${hours}`;
  for (const [locale, expected] of [
    ['es-ES', /^[34]:\d\d$/],
    ['en-US', /^[34]:\d\d\sAM$/],
    ['en-GB', /^0[34]:\d\d$/],
  ] as const) {
    const page = await playground.window('alice', { locale, timezoneId });
    await openChat(page, 'Bob');
    expect(await message(page, 'early').getByRole('time').textContent()).toMatch(expected);
  }
});

test('avatars of people whose ids differ in one letter differ', async () => {
  const playground = await startPlayground();
  const bob = await playground.client('bob');
  const others = ['alice', 'member a', 'member b', 'member c', 'xember a'];
  await bob.conversations.create({ type: 'group', name: 'Hike', participantIds: others });
  const page = await playground.window('alice');
  await openChat(page, 'Hike');
  await page.getByRole('button', { name: 'Details', exact: true }).last().click();
  const members = page.getByRole('complementary', { name: 'Details' }).getByRole('listitem').locator('.avatar');
  await expect.poll(() => members.count()).toBe(6);
  const looks = await members.evaluateAll((all) => all.map((each) => getComputedStyle(each).backgroundColor));
  expect(new Set(looks).size).toBe(6);
});

test('with forced colors, states stay visible without backgrounds', async () => {
  const playground = await startPlayground();
  const page = await playground.window('alice', { forcedColors: 'active' });
  await page.getByRole('button', { name: 'Chat with Bob' }).click();
  await say(page, 'with a border');
  await reaches(page, 'with a border', 'Sent');
  const border = (where: Locator): Promise<string> => where.evaluate((each) => getComputedStyle(each).borderTopWidth);
  expect(await border(message(page, 'with a border').locator('.bubble'))).toBe('1px');
  await page.getByRole('button', { name: 'Details', exact: true }).last().click();
  const box = page.getByRole('switch', { name: 'Pinned' });
  const color = (): Promise<string> => box.evaluate((each) => getComputedStyle(each).backgroundColor);
  const off = await color();
  await box.check();
  await expect.poll(color).not.toBe(off);
});
