import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Locator, Page } from 'playwright';
import { expect, test } from 'vitest';
import { PNG } from '../../helpers/server/files.ts';
import { isAccessible } from './accessibility.ts';
import {
  choose,
  isLoaded,
  watchForText,
  message,
  openChat,
  openEncryptionMenu,
  reaches,
  say,
  sendFiles,
  shows,
  usePlayground,
  type Playground,
} from './playground.ts';

const startPlayground = usePlayground();

function lock(page: Page, state: 'Not encrypted' | 'Encrypted' | 'Encrypted and verified'): Locator {
  return page.getByRole('button', { name: `${state}: change`, exact: true });
}

async function chooseAtLock(page: Page, action: string): Promise<void> {
  await openEncryptionMenu(page);
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

/** The bytes of the database, including its write-ahead log. */
async function atServer({ database }: Playground): Promise<string> {
  const files = await Promise.all([database, `${database}-wal`].map((file) => readFile(file, 'latin1')));
  return files.join('');
}

/** Opens an encrypted chat of Alice and Bob with one message of each. */
async function inSecret(playground: Playground): Promise<[alice: Page, bob: Page]> {
  const [alice, bob] = await playground.windows(['alice', 'bob'], {
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  await playground.published('alice', 'bob');
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  await chooseAtLock(alice, 'Encrypt from now on');
  await lock(alice, 'Encrypted').waitFor();
  await say(alice, 'The code is 4711');
  await openChat(bob, 'Alice');
  await message(bob, 'The code is 4711').getByRole('img', { name: 'Encrypted' }).waitFor();
  // A chat with an encrypted message encrypts replies by default.
  await lock(bob, 'Encrypted').waitFor();
  await say(bob, 'I burn it');
  await message(alice, 'I burn it').getByRole('img', { name: 'Encrypted' }).waitFor();
  return [alice, bob];
}

test('both users can read an encrypted chat, and the server stores no plaintext', async () => {
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
  expect(await stored.textContent()).not.toContain('code is 4711');
  expect(await atServer(playground)).not.toContain('code is 4711');

  // Sends unencrypted again, for comparison.
  await chooseAtLock(alice, 'Stop encrypting');
  await lock(alice, 'Not encrypted').waitFor();
  await say(alice, 'Nice weather');
  await expect.poll(() => rows.nth(1).getByRole('cell').last().textContent()).toContain('"content": "Nice weather"');
  expect(await atServer(playground)).toContain('Nice weather');
  // Encrypted messages of the other user do not change this setting.
  await say(bob, 'Still in secret');
  await message(alice, 'Still in secret').getByRole('img', { name: 'Encrypted' }).waitFor();
  await say(alice, 'Rain tomorrow');
  await reaches(alice, 'Rain tomorrow', 'Read');
  await lock(alice, 'Not encrypted').waitFor();
  expect(await message(alice, 'Rain tomorrow').getByRole('img', { name: 'Encrypted' }).isVisible()).toBe(false);
});

test('files of an encrypted chat are shown in the other window, and the server stores neither names nor bytes', async () => {
  const playground = await startPlayground();
  const [alice, bob] = await inSecret(playground);
  const map = { name: 'treasure-map.png', mimeType: 'image/png', buffer: PNG };
  const route = { name: 'route.txt', mimeType: 'text/plain', buffer: Buffer.from('ten steps to the north') };
  await sendFiles(alice, [map, route], 'Where it is');
  for (const page of [alice, bob]) {
    const row = message(page, 'Where it is');
    await row.getByRole('img', { name: 'Encrypted' }).waitFor();
    await isLoaded(row.getByRole('img', { name: map.name }));
  }
  const downloading = bob.waitForEvent('download');
  await message(bob, 'Where it is')
    .getByRole('button', { name: `Download ${route.name}` })
    .click();
  expect(await readFile(await (await downloading).path(), 'utf8')).toBe(route.buffer.toString());
  const directory = playground.database.replace(/\.sqlite$/, '-files');
  const names = await readdir(directory, { recursive: true, withFileTypes: true });
  const stored = names
    .filter((each) => each.isFile())
    .map((each) => readFile(join(each.parentPath, each.name), 'latin1'));
  expect(stored.length).toBeGreaterThanOrEqual(2);
  const atRest = [await atServer(playground), ...(await Promise.all(stored))].join('');
  for (const text of [
    map.name,
    route.name,
    'image/png',
    'Where it is',
    route.buffer.toString(),
    PNG.toString('latin1'),
  ]) {
    expect(atRest).not.toContain(text);
  }
});

test('in an encrypted group messages are read, edited, replied to and forwarded without storing plaintext', async () => {
  const playground = await startPlayground();
  const [alice, bob, carol] = await playground.windows(['alice', 'bob', 'carol']);
  await playground.published('alice', 'bob', 'carol');
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  await alice.getByRole('heading', { name: 'Bob', level: 1 }).waitFor();
  await alice.getByRole('button', { name: 'New chat' }).click();
  for (const name of ['bob', 'carol']) {
    await alice.getByLabel('Names of people').fill(name);
    await alice.keyboard.press('Enter');
  }
  await alice.getByLabel('Group name').fill('Heist');
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
  const forwarded = await watchForText(alice.locator('.toasts'), 'Forwarded to Bob');
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

test('decrypted messages and the encryption setting survive a reload', async () => {
  const playground = await startPlayground();
  const [alice] = await inSecret(playground);
  await alice.reload();
  await lock(alice, 'Encrypted').waitFor();
  await shows(alice, ['The code is 4711', 'I burn it']);
  await say(alice, 'Still here');
  await reaches(alice, 'Still here', 'Read');
});

test('both users see the same safety number, and scanning the code verifies the identity', async () => {
  const playground = await startPlayground();
  const [alice, bob] = await inSecret(playground);
  const seenByAlice = await compare(alice, 'Bob');
  const seenByBob = await compare(bob, 'Alice');
  const digits = await digitsIn(seenByAlice);
  expect(digits.map((group) => /^\d{5}$/.test(group))).toEqual(Array.from({ length: 12 }, () => true));
  expect(await digitsIn(seenByBob)).toEqual(digits);
  await seenByBob.getByRole('img', { name: 'Code for Alice' }).waitFor();

  const copied = await watchForText(bob.locator('.toasts'), 'Copied');
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

test('a new browser must take over, and a changed key is shown before the next message is sent', async () => {
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

  // The previous browser shows that it is no longer the active device.
  await lock(another, 'Encrypted').waitFor();
  await say(another, 'Yes, in a new browser');
  await message(alice, 'Yes, in a new browser').waitFor();
  await bob.getByText('Your keys are in another browser').waitFor();
});

test('a backup restores keys and messages in another browser, only with the right passphrase', async () => {
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
  expect(backup.buffer.toString('latin1')).not.toContain('code is 4711');
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

test.each([1280, 390])('the encryption screens are accessible, %i px wide', async (width) => {
  const options = { viewport: { width, height: 780 } };
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
  await isAccessible(bob);
  const dialog = await compare(bob, 'Alice');
  await dialog.getByLabel('Code from Alice’s screen').fill('NKC1:nothing');
  await dialog.getByRole('button', { name: 'Compare' }).click();
  await dialog.getByText('This is not what Alice should see.').waitFor();
  await isAccessible(bob);
  await dialog.getByRole('button', { name: 'They are the same' }).click();
  await dialog.getByText('You have verified').waitFor();
  await isAccessible(bob);
  await bob.keyboard.press('Escape');
  await chooseAtLock(bob, 'Back up your keys');
  await bob.getByRole('button', { name: 'Save the backup' }).waitFor();
  await isAccessible(bob);
  await bob.keyboard.press('Escape');
  await chooseAtLock(bob, 'Restore your keys');
  await bob.getByRole('button', { name: 'Restore', exact: true }).waitFor();
  await isAccessible(bob);
  await bob.keyboard.press('Escape');
  await openEncryptionMenu(bob);
  await isAccessible(bob);

  const another = await playground.window('bob', options);
  await openChat(another, 'Alice');
  await another.getByText('This message can not be read').waitFor();
  await another.getByText('Your keys are in another browser').waitFor();
  await isAccessible(another);
});

test('what only the server claims is marked as such, and can be accepted or looked at', async () => {
  const playground = await startPlayground();
  const [alice] = await inSecret(playground);
  // A server that deletes a message, invents a reaction and adds a member.
  const database = new DatabaseSync(playground.database);
  // The playground's server writes to the same file: wait for its transaction instead of failing.
  database.exec('pragma busy_timeout = 60000');
  const { id, own, conversation } = database
    .prepare(`select max(id) as id, min(id) as own, conversation_id as conversation from messages where type = 'text'`)
    .get() as { id: number; own: number; conversation: number };
  database
    .prepare(
      `update messages set type = 'system', content = '', attachment = null, updated_at = datetime('now') where id = ?`,
    )
    .run(id);
  database.prepare(`insert into message_reactions (message_id, user_id, emoji) values (?, 'bob', '👍')`).run(own);
  database
    .prepare(`insert into conversation_participants (conversation_id, user_id) values (?, 'mallory')`)
    .run(conversation);
  database.close();
  await alice.reload();

  const deleted = alice.getByRole('listitem').filter({ hasText: 'Only the server says so' });
  await deleted.getByRole('button', { name: 'Show' }).click();
  await message(alice, 'I burn it').waitFor();
  await message(alice, 'The code is 4711')
    .getByRole('button', { name: '👍 by Bob (only the server says so)' })
    .waitFor();

  await say(alice, 'Still only the two of us?');
  const warnings = alice.getByRole('list', { name: 'Warnings' });
  await warnings.getByText('Added: Mallory. Nothing is sent until you accept them.').waitFor();
  await isAccessible(alice);
  await alice.reload();
  await warnings.getByText('The members of this chat have changed').waitFor();
});
