import { readFile } from 'node:fs/promises';
import type { Locator, Page } from 'playwright';
import { expect, test } from 'vitest';
import { blemishes } from './look.ts';
import {
  choose,
  lookOut,
  message,
  openChat,
  reaches,
  say,
  shows,
  usePlayground,
  type Playground,
} from './playground.ts';

const startPlayground = usePlayground();

function lock(page: Page, state: 'Not encrypted' | 'Encrypted' | 'Encrypted and verified'): Locator {
  return page.getByRole('button', { name: `${state}: change` });
}

async function chooseAtLock(page: Page, action: string): Promise<void> {
  await page.getByRole('button', { name: /: change$/ }).click();
  await page.getByRole('menuitem', { name: action }).click();
}

async function compare(page: Page, name: string): Promise<Locator> {
  await chooseAtLock(page, `Compare keys with ${name}`);
  const dialog = page.getByRole('dialog', { name: `Compare keys with ${name}` });
  await dialog.getByRole('list', { name: 'Safety number' }).waitFor();
  return dialog;
}

async function digitsIn(dialog: Locator): Promise<string[]> {
  return await dialog.getByRole('list', { name: 'Safety number' }).getByRole('listitem').allTextContents();
}

/** Every byte of the database, also those that are still in its log. */
async function atServer({ database }: Playground): Promise<string> {
  const files = await Promise.all([database, `${database}-wal`].map((file) => readFile(file, 'latin1')));
  return files.join('');
}

/** Alice and Bob in an encrypted chat, in which each has written once. */
async function inSecret(playground: Playground): Promise<[alice: Page, bob: Page]> {
  const alice = await playground.window('alice', { permissions: ['clipboard-read', 'clipboard-write'] });
  const bob = await playground.window('bob', { permissions: ['clipboard-read', 'clipboard-write'] });
  await playground.published('alice', 'bob');
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  await chooseAtLock(alice, 'Encrypt from now on');
  await lock(alice, 'Encrypted').waitFor();
  await say(alice, 'The code is 4711');
  await openChat(bob, 'Alice');
  await message(bob, 'The code is 4711').getByRole('img', { name: 'Encrypted' }).waitFor();
  // Whoever is answered in secret answers in secret.
  await lock(bob, 'Encrypted').waitFor();
  await say(bob, 'I burn it');
  await message(alice, 'I burn it').getByRole('img', { name: 'Encrypted' }).waitFor();
  return [alice, bob];
}

test('an encrypted chat is read by both, and by nobody at the server', async () => {
  const playground = await startPlayground();
  const [alice, bob] = await inSecret(playground);
  await shows(alice, ['The code is 4711', 'I burn it']);
  await shows(bob, ['The code is 4711', 'I burn it']);
  await expect.poll(() => alice.getByRole('list', { name: 'Chats' }).getByText('I burn it').count()).toBe(1);

  await alice.getByRole('button', { name: /^You are Alice/ }).click();
  await alice.getByRole('menuitem', { name: 'Developer tools' }).click();
  await alice.getByRole('tab', { name: 'What the server sees' }).click();
  const rows = alice.getByRole('tabpanel').getByRole('row');
  await expect.poll(() => rows.count()).toBe(3);
  const [seen, stored] = [rows.nth(2).getByRole('cell').first(), rows.nth(2).getByRole('cell').last()];
  expect(await seen.textContent()).toContain('The code is 4711');
  expect(await stored.textContent()).toContain('"ciphertext"');
  expect(await stored.textContent()).not.toContain('4711');
  expect(await atServer(playground)).not.toContain('4711');

  // In the clear again, for the difference.
  await chooseAtLock(alice, 'Stop encrypting');
  await lock(alice, 'Not encrypted').waitFor();
  await say(alice, 'Nice weather');
  await expect.poll(() => rows.nth(1).getByRole('cell').last().textContent()).toContain('"content": "Nice weather"');
  expect(await atServer(playground)).toContain('Nice weather');
  // What the other one still encrypts doesn't change that.
  await say(bob, 'Still in secret');
  await message(alice, 'Still in secret').getByRole('img', { name: 'Encrypted' }).waitFor();
  await say(alice, 'Rain tomorrow');
  await reaches(alice, 'Rain tomorrow', 'Read');
  await lock(alice, 'Not encrypted').waitFor();
  expect(await message(alice, 'Rain tomorrow').getByRole('img', { name: 'Encrypted' }).isVisible()).toBe(false);
});

test('a group is read by its members, changed and answered in it, and passed on without becoming public', async () => {
  const playground = await startPlayground();
  const [alice, bob, carol] = [
    await playground.window('alice'),
    await playground.window('bob'),
    await playground.window('carol'),
  ];
  await playground.published('alice', 'bob', 'carol');
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  await alice.getByRole('heading', { name: 'Bob', level: 1 }).waitFor();
  await alice.getByRole('button', { name: 'New chat' }).click();
  for (const name of ['bob', 'carol']) {
    await alice.getByLabel('Names of people').fill(name);
    await alice.keyboard.press('Enter');
  }
  await alice.getByLabel('Name of the group').fill('Heist');
  await alice.getByRole('button', { name: 'Create group' }).click();
  await alice.getByRole('heading', { name: 'Heist', level: 1 }).waitFor();
  await chooseAtLock(alice, 'Encrypt from now on');
  await lock(alice, 'Encrypted').waitFor();
  await say(alice, 'We meet at nine');
  for (const page of [bob, carol]) {
    await openChat(page, 'Heist');
    await message(page, 'We meet at nine').waitFor();
  }
  await lock(bob, 'Encrypted').waitFor();
  await say(bob, 'Which door?');
  await choose(bob, 'Which door?', 'Edit');
  await say(bob, 'Which window?');
  await message(carol, 'Which window?').getByText('edited').waitFor();

  await choose(alice, 'We meet at nine', 'Forward');
  const forwarded = await lookOut(alice.locator('.toasts'), 'Forwarded to Bob');
  await alice.getByRole('dialog').getByRole('button', { name: 'Bob' }).click();
  await forwarded();
  await alice
    .getByRole('list', { name: 'Chats' })
    .getByRole('button', { name: /Bob.* We meet at nine$/ })
    .click();
  await alice.getByRole('heading', { name: 'Bob', level: 1 }).waitFor();
  await message(alice, 'We meet at nine').getByRole('img', { name: 'Encrypted' }).waitFor();
  expect(await atServer(playground)).not.toContain('meet at nine');
});

test('a reload keeps what was read, and what may be written', async () => {
  const playground = await startPlayground();
  const [alice] = await inSecret(playground);
  await alice.reload();
  await lock(alice, 'Encrypted').waitFor();
  await shows(alice, ['The code is 4711', 'I burn it']);
  await say(alice, 'Still here');
  await reaches(alice, 'Still here', 'Read');
});

test('both see the same number, and the code of the other verifies them', async () => {
  const playground = await startPlayground();
  const [alice, bob] = await inSecret(playground);
  const seenByAlice = await compare(alice, 'Bob');
  const seenByBob = await compare(bob, 'Alice');
  const digits = await digitsIn(seenByAlice);
  expect(digits.map((group) => /^\d{5}$/.test(group))).toEqual(Array.from({ length: 12 }, () => true));
  expect(await digitsIn(seenByBob)).toEqual(digits);
  await seenByBob.getByRole('img', { name: 'Code for Alice' }).waitFor();

  const copied = await lookOut(bob.locator('.toasts'), 'Copied');
  await seenByBob.getByRole('button', { name: 'Copy the code' }).click();
  await copied();
  const code = await bob.evaluate(() => navigator.clipboard.readText());
  const field = seenByAlice.getByLabel('Code from Bob’s screen');
  await field.fill(code.replace(/.$/, (last) => (last === 'A' ? 'Q' : 'A')));
  await seenByAlice.getByRole('button', { name: 'Compare' }).click();
  await seenByAlice.getByText('This is not what Bob should see.').waitFor();
  await field.fill(code);
  await seenByAlice.getByRole('button', { name: 'Compare' }).click();
  await seenByAlice.getByText('You have verified Bob’s key.').waitFor();
  await alice.keyboard.press('Escape');
  await lock(alice, 'Encrypted and verified').waitFor();
});

test('a new browser has to take over, and a changed key is told before anything is said to it', async () => {
  const playground = await startPlayground();
  const [alice, bob] = await inSecret(playground);
  const dialog = await compare(alice, 'Bob');
  await dialog.getByRole('button', { name: 'They are the same' }).click();
  await alice.keyboard.press('Escape');
  await lock(alice, 'Encrypted and verified').waitFor();

  const another = await playground.window('bob');
  await openChat(another, 'Alice');
  await expect.poll(() => another.getByText('This message can not be read').count()).toBe(2);
  expect(await another.getByText('Not sent').count()).toBe(0);
  await another.getByText('Your keys are in another browser').waitFor();
  await another.getByRole('button', { name: 'Use this browser' }).click();
  await another
    .getByRole('dialog', { name: 'Use this browser?' })
    .getByRole('button', { name: 'Use this browser' })
    .click();
  await another.getByText('Your keys are in another browser').waitFor({ state: 'detached' });

  const warning = alice.getByRole('list', { name: 'Warnings' }).getByText('Bob’s key has changed');
  await say(alice, 'Is that you?');
  await warning.waitFor();
  expect(await message(another, 'Is that you?').count()).toBe(0);
  await alice.getByRole('list', { name: 'Warnings' }).getByRole('button', { name: 'Accept' }).click();
  await warning.waitFor({ state: 'detached' });
  await alice.getByRole('button', { name: 'Retry' }).click();
  await message(another, 'Is that you?').waitFor();

  // The browser from before sees that it isn't the one any more.
  await lock(another, 'Encrypted').waitFor();
  await say(another, 'Yes, in a new browser');
  await message(alice, 'Yes, in a new browser').waitFor();
  await bob.getByText('Your keys are in another browser').waitFor();
});

test('a backup brings keys and messages into another browser, and only with its passphrase', async () => {
  const playground = await startPlayground();
  const [alice, bob] = await inSecret(playground);
  await chooseAtLock(bob, 'Back up your keys');
  await bob.getByLabel('Passphrase').fill('correct horse battery');
  await bob.getByLabel('The same again').fill('correct horse battery');
  const saving = bob.waitForEvent('download');
  await bob.getByRole('button', { name: 'Save the backup' }).click();
  const download = await saving;
  const backup = { name: download.suggestedFilename(), mimeType: '', buffer: await readFile(await download.path()) };
  expect(backup.name).toBe('lumen-comm-bob.backup');
  expect(backup.buffer.toString('latin1')).not.toContain('4711');
  await bob.context().close();

  const another = await playground.window('bob');
  await openChat(another, 'Alice');
  await another.getByRole('button', { name: 'Restore a backup' }).click();
  const dialog = another.getByRole('dialog', { name: 'Restore your keys' });
  await dialog.getByLabel('Backup').setInputFiles(backup);
  await dialog.getByLabel('Passphrase').fill('wrong horse');
  await dialog.getByRole('button', { name: 'Restore' }).click();
  await dialog.getByText('the passphrase is wrong').waitFor();
  await dialog.getByLabel('Passphrase').fill('correct horse battery');
  await dialog.getByRole('button', { name: 'Restore' }).click();
  await shows(another, ['The code is 4711', 'I burn it']);
  await say(another, 'From the other browser');
  await message(alice, 'From the other browser').waitFor();
  expect(await alice.getByText('Bob’s key has changed').count()).toBe(0);
});

test.each([
  ['light', { colorScheme: 'light' }],
  ['dark', { colorScheme: 'dark' }],
  ['phone', { viewport: { width: 390, height: 780 } }],
] as const)('everything about keys is readable and named, %s', async (_, options) => {
  const playground = await startPlayground();
  const alice = await playground.window('alice');
  const bob = await playground.window('bob', options);
  await playground.published('alice', 'bob');
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  await chooseAtLock(alice, 'Encrypt from now on');
  await lock(alice, 'Encrypted').waitFor();
  await say(alice, 'The code is 4711');
  await openChat(bob, 'Alice');
  await message(bob, 'The code is 4711').waitFor();
  expect(await blemishes(bob)).toEqual([]);
  const dialog = await compare(bob, 'Alice');
  await dialog.getByLabel('Code from Alice’s screen').fill('NKC1:nothing');
  await dialog.getByRole('button', { name: 'Compare' }).click();
  await dialog.getByText('This is not what Alice should see.').waitFor();
  expect(await blemishes(bob)).toEqual([]);
  await dialog.getByRole('button', { name: 'They are the same' }).click();
  await dialog.getByText('You have verified').waitFor();
  expect(await blemishes(bob)).toEqual([]);
  await bob.keyboard.press('Escape');
  await chooseAtLock(bob, 'Back up your keys');
  await bob.getByRole('button', { name: 'Save the backup' }).waitFor();
  expect(await blemishes(bob)).toEqual([]);

  const another = await playground.window('bob', options);
  await openChat(another, 'Alice');
  await another.getByText('This message can not be read').waitFor();
  await another.getByText('Your keys are in another browser').waitFor();
  expect(await blemishes(another)).toEqual([]);
});
