import { readFile } from 'node:fs/promises';
import type { Page } from 'playwright';
import { expect, test } from 'vitest';
import { PNG } from '../../helpers/server/files.ts';
import { holdUploads } from '../hold-uploads.ts';
import { isAccessible } from './accessibility.ts';
import {
  composer,
  isLoaded,
  message,
  openChat,
  pick,
  reaches,
  say,
  sendFiles,
  shows,
  usePlayground,
  watchForText,
  type PickedFile,
  type Playground,
} from './playground.ts';

const startPlayground = usePlayground();

const SIZE = 1_500_000;
/** The first part of an upload, as the client sends it, in percent of `SIZE`. */
const FIRST_PERCENT = 17;

const picture = (name: string): PickedFile => ({ name, mimeType: 'image/png', buffer: PNG });
const notes: PickedFile = { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('x'.repeat(2_000)) };
const large: PickedFile = { name: 'data.bin', mimeType: 'application/octet-stream', buffer: Buffer.alloc(SIZE, 7) };

/** Opens the chat of Alice and Bob in both windows. */
async function openBoth(playground: Playground): Promise<[alice: Page, bob: Page]> {
  const [alice, bob] = await playground.windows(['alice', 'bob']);
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  await say(alice, 'before');
  await openChat(bob, 'Alice');
  await reaches(alice, 'before', 'Read');
  return [alice, bob];
}

/** Returns the progress of the upload of a message in percent. */
async function progressOf(page: Page, caption: string): Promise<number> {
  const bar = message(page, caption).getByRole('progressbar', { name: 'Upload' });
  return Number(await bar.getAttribute('aria-valuenow'));
}

/** Forgets the answers with this status that the browser has logged, possibly after the page has shown them. */
async function forgetErrors(playground: Playground, status: number): Promise<void> {
  await expect.poll(() => playground.pageErrors).toContainEqual(expect.stringContaining(String(status)));
  const others = playground.pageErrors.filter((line) => !line.includes(String(status)));
  playground.pageErrors.splice(0, Infinity, ...others);
}

test('files that are picked, pasted and dropped are one message with a caption, which the other window shows', async () => {
  const playground = await startPlayground();
  const [alice, bob] = await openBoth(playground);
  await pick(alice, [picture('one.png'), picture('wrong.png')]);
  const transfer = await alice.evaluateHandle(
    ([bytes, text]) => {
      const data = new DataTransfer();
      data.items.add(new File([Uint8Array.from(bytes)], 'two.png', { type: 'image/png' }));
      data.items.add(new File([text], 'notes.txt', { type: 'text/plain' }));
      return data;
    },
    [[...PNG], notes.buffer.toString()] as const,
  );
  await composer(alice).evaluate((input, data) => {
    const clipboardData = new DataTransfer();
    clipboardData.items.add(data.files[0] as File);
    input.dispatchEvent(new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true }));
  }, transfer);
  await alice.getByRole('region', { name: 'Conversation' }).dispatchEvent('drop', { dataTransfer: transfer });
  const tray = alice.getByRole('list', { name: 'Files to send' });
  await expect.poll(() => tray.getByRole('listitem').count()).toBe(5);
  await tray.getByRole('button', { name: 'Remove wrong.png' }).click();
  await tray.getByRole('button', { name: 'Remove two.png' }).first().click();
  await say(alice, 'The photos of the hike');
  await tray.waitFor({ state: 'hidden' });
  for (const page of [alice, bob]) {
    const row = message(page, 'The photos of the hike');
    for (const name of ['one.png', 'two.png']) await isLoaded(row.getByRole('img', { name }));
    await row.getByRole('button', { name: 'Download notes.txt TXT · 2 kB' }).waitFor();
  }
  await shows(bob, ['before', 'The photos of the hike']);
  const downloading = bob.waitForEvent('download');
  await bob.getByRole('button', { name: 'Download notes.txt' }).click();
  const download = await downloading;
  expect(download.suggestedFilename()).toBe('notes.txt');
  expect(await readFile(await download.path())).toEqual(notes.buffer);
});

test('a message has at most ten files, and a file alone needs no caption', async () => {
  const playground = await startPlayground();
  const [alice, bob] = await openBoth(playground);
  const limited = await watchForText(alice.locator('.toasts'), 'A message has at most 10 files.');
  await pick(
    alice,
    Array.from({ length: 11 }, (_, index) => picture(`${index + 1}.png`)),
  );
  await limited();
  const tray = alice.getByRole('list', { name: 'Files to send' });
  expect(await tray.getByRole('listitem').count()).toBe(10);
  await alice.getByRole('button', { name: 'Send', exact: true }).click();
  await bob.getByRole('button', { name: 'Open 4.png, and 6 more' }).waitFor();
  // Without a caption the message has no text.
  await shows(bob, ['before', '']);
  const chats = bob.getByRole('list', { name: 'Chats' });
  await chats.getByText('10 photos').waitFor();
});

test('a message shows the progress of its upload, and cancelling removes it everywhere', async () => {
  const playground = await startPlayground();
  const [alice, bob] = await openBoth(playground);
  const { waits } = await holdUploads(alice);
  const given = alice.waitForRequest((request) => request.method() === 'DELETE' && request.url().includes('/uploads/'));
  given.catch(() => undefined);
  await sendFiles(alice, [large], 'Too soon');
  await waits();
  await expect.poll(() => progressOf(alice, 'Too soon')).toBe(FIRST_PERCENT);
  await message(alice, 'Too soon').getByText('262 kB of 1.5 MB').waitFor();
  await message(alice, 'Too soon').getByRole('button', { name: 'Cancel upload' }).click();
  await shows(alice, ['before']);
  await given;
  await say(alice, 'after');
  await shows(bob, ['before', 'after']);
});

test('an upload that was interrupted by a reload continues, and the message keeps its preview', async () => {
  const playground = await startPlayground();
  const [alice, bob] = await openBoth(playground);
  const { waits, release } = await holdUploads(alice);
  await sendFiles(alice, [large, picture('dot.png')], 'With a reload');
  await waits();
  const text = message(alice, 'With a reload').locator('.upload-text');
  // Absent once the bytes are stored.
  await expect.poll(() => text.getAttribute('title')).toBe(null);
  await alice.reload();
  await isLoaded(message(alice, 'With a reload').getByRole('img', { name: 'dot.png' }));
  await waits();
  await expect.poll(() => progressOf(alice, 'With a reload')).toBe(FIRST_PERCENT);
  await release();
  await reaches(alice, 'With a reload', 'Read');
  await isLoaded(message(bob, 'With a reload').getByRole('img', { name: 'dot.png' }));
  await shows(bob, ['before', 'With a reload']);
});

test('a failed message says why, and is sent by a retry', async () => {
  const playground = await startPlayground();
  const [alice, bob] = await openBoth(playground);
  const error = { code: 'MIME_TYPE_NOT_ALLOWED', message: 'not now' };
  const isPart = /\/uploads\//;
  await alice.route(isPart, async (route) => {
    if (route.request().method() === 'PATCH') await route.fulfill({ status: 415, json: { error } });
    else await route.continue();
  });
  await sendFiles(alice, [picture('dot.png')], 'Second try');
  const row = message(alice, 'Second try');
  await row.getByText('Not sent: files of this type are not allowed').waitFor();
  await isLoaded(row.getByRole('img', { name: 'dot.png' }));
  expect(await row.getByRole('button', { name: 'Edit' }).count()).toBe(0);
  await forgetErrors(playground, 415);
  await alice.unroute(isPart);
  await row.getByRole('button', { name: 'Retry' }).click();
  await reaches(alice, 'Second try', 'Read');
  await isLoaded(message(bob, 'Second try').getByRole('img', { name: 'dot.png' }));
});

test('a file that the server refuses can be discarded', async () => {
  const playground = await startPlayground();
  const [alice] = await openBoth(playground);
  await sendFiles(alice, [{ ...picture('lie.png'), buffer: Buffer.from('not a picture') }], 'A lie');
  await message(alice, 'A lie').getByText('Not sent: files of this type are not allowed').waitFor();
  await message(alice, 'A lie').getByRole('button', { name: 'Discard' }).click();
  await shows(alice, ['before']);
  await forgetErrors(playground, 415);
});

test('files in every state have sufficient contrast and accessible names', async () => {
  const playground = await startPlayground();
  const bob = await playground.client('bob');
  const group = { type: 'group', name: 'Hike', participantIds: ['alice'] } as const;
  const { id: conversationId } = await bob.conversations.create(group);
  const attachments = [
    ...Array.from({ length: 5 }, (_, index) => new File([PNG], `${index + 1}.png`, { type: 'image/png' })),
    new File([notes.buffer.toString()], 'notes.txt', { type: 'text/plain' }),
  ];
  await bob.messages.send({ conversationId, content: 'From Bob', attachments });
  const alice = await playground.window('alice');
  await openChat(alice, 'Hike');
  await sendFiles(alice, [picture('dot.png'), notes], 'Mine');
  await reaches(alice, 'Mine', 'Sent');
  const { waits } = await holdUploads(alice);
  await sendFiles(alice, [large], 'A document');
  await waits();
  await sendFiles(alice, [picture('two.png'), large], 'With a picture');
  await waits();
  await pick(alice, [picture('three.png'), notes]);
  await isAccessible(alice);

  await message(alice, 'From Bob').getByRole('button', { name: 'Open 4.png' }).click();
  await isLoaded(alice.getByRole('dialog', { name: 'Photos' }).getByRole('img', { name: '4.png' }));
  await isAccessible(alice);
});
