import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { PNG } from '../../helpers/server/files.ts';
import {
  choose,
  composer,
  isLoaded,
  message,
  openChat,
  pick,
  reaches,
  say,
  sendFiles,
  usePlayground,
  watchForText,
} from './playground.ts';

const startPlayground = usePlayground();

const notes = { name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('notes') };
const dot = { name: 'dot.png', mimeType: 'image/png', buffer: PNG };

test('files that could not be queued return to the input with their caption, and are sent by another try', async () => {
  const playground = await startPlayground();
  const alice = await playground.window('alice');
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  await say(alice, 'before');
  await reaches(alice, 'before', 'Sent');
  const chunk = /\/assets\/pending-uploads-/;
  await alice.route(chunk, async (route) => await route.abort());
  await choose(alice, 'before', 'Reply');
  const told = await watchForText(alice.locator('.toasts'), 'The message was not sent');
  await sendFiles(alice, [notes, dot], 'A caption');
  await told();
  const tray = alice.getByRole('list', { name: 'Files to send' });
  await isLoaded(tray.getByRole('listitem').filter({ hasText: 'dot.png' }).locator('img'));
  await tray.getByText('notes.txt').waitFor();
  await expect.poll(() => composer(alice).inputValue()).toBe('A caption');
  await alice.getByText('Replying to yourself').waitFor();
  await alice.unroute(chunk);
  await composer(alice).press('Enter');
  await tray.waitFor({ state: 'hidden' });
  await reaches(alice, 'A caption', 'Sent');
});

test('files and text that are not sent yet stay in their chat', async () => {
  const playground = await startPlayground();
  const carol = await playground.client('carol');
  const alice = await playground.window('alice');
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  await carol.conversations.create({ type: 'group', name: 'Hike', participantIds: ['alice'] });
  await pick(alice, [notes, dot]);
  await composer(alice).fill('Not yet');
  const tray = alice.getByRole('list', { name: 'Files to send' });
  await tray.getByRole('button', { name: 'Remove notes.txt' }).waitFor();
  await tray.getByRole('button', { name: 'Remove notes.txt' }).click();
  await openChat(alice, 'Hike');
  expect(await tray.count()).toBe(0);
  await openChat(alice, 'Bob');
  expect(await composer(alice).inputValue()).toBe('Not yet');
  await isLoaded(tray.locator('img'));
  await composer(alice).press('Enter');
  await reaches(alice, 'Not yet', 'Sent');
  await openChat(alice, 'Hike');
  await openChat(alice, 'Bob');
  expect(await composer(alice).inputValue()).toBe('');
  expect(await tray.count()).toBe(0);
});

/** Returns ten seconds of silence. */
function silence(): Uint8Array<ArrayBuffer> {
  const [rate, channels, bytesPerSample] = [96_000, 2, 2];
  const size = 10 * rate * channels * bytesPerSample;
  const view = new DataView(new ArrayBuffer(44 + size));
  for (const [at, name] of [
    [0, 'RIFF'],
    [8, 'WAVE'],
    [12, 'fmt '],
    [36, 'data'],
  ] as const) {
    new Uint8Array(view.buffer).set(new TextEncoder().encode(name), at);
  }
  view.setUint32(4, 36 + size, true);
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, channels, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, rate * channels * bytesPerSample, true);
  view.setUint16(32, channels * bytesPerSample, true);
  view.setUint16(34, 8 * bytesPerSample, true);
  view.setUint32(40, size, true);
  return new Uint8Array(view.buffer);
}

test('a sound whose rest is missing is not loaded without end', async () => {
  const playground = await startPlayground();
  const bob = await playground.client('bob');
  const group = { type: 'group', name: 'Hike', participantIds: ['alice'] } as const;
  const { id: conversationId } = await bob.conversations.create(group);
  const sound = silence();
  const attachments = [new File([sound], 'long.wav', { type: 'audio/wav' })];
  await bob.messages.send({ conversationId, content: 'Cut off', attachments });
  const alice = await playground.window('alice');
  await openChat(alice, 'Hike');
  // Less than a second, which does not count as played.
  const first = Buffer.from(sound.subarray(0, 320_000));
  const playable = async (): Promise<unknown> =>
    await alice.waitForFunction(() => (document.querySelector('audio')?.readyState ?? 0) >= 2);
  await alice.route(/\/__nk_comm\/files\//, async (route) => {
    const range = (await route.request().headerValue('range')) ?? 'bytes=0-';
    if (range !== 'bytes=0-') {
      // Fails for what the page still wants when it is closed.
      await playable().catch(() => undefined);
      return await route.fulfill({ status: 403 }).catch(() => undefined);
    }
    const headers = { 'content-range': `bytes 0-${first.length - 1}/${sound.length}`, 'content-type': 'audio/wav' };
    await route.fulfill({ status: 206, headers: { ...headers, 'accept-ranges': 'bytes' }, body: first });
  });
  const told = await watchForText(alice.locator('.toasts'), 'The sound could not be played.');
  await alice.getByRole('group', { name: 'long.wav' }).getByRole('button', { name: 'Play' }).click();
  await told();
  // So that no further errors are logged.
  await alice.close();
  playground.pageErrors.splice(0, Infinity, ...playground.pageErrors.filter((line) => !line.includes('403')));
});

test('a video that the browser cannot play is offered as a download', async () => {
  const playground = await startPlayground();
  const bob = await playground.client('bob');
  const group = { type: 'group', name: 'Hike', participantIds: ['alice'] } as const;
  const { id: conversationId } = await bob.conversations.create(group);
  const bytes = new TextEncoder().encode('FLV\u0001');
  const attachments = [new File([bytes], 'old.flv', { type: 'video/x-flv' })];
  await bob.messages.send({ conversationId, content: 'An old one', attachments });
  const alice = await playground.window('alice');
  await openChat(alice, 'Hike');
  const downloading = alice.waitForEvent('download');
  await message(alice, 'An old one').getByRole('button', { name: 'Download old.flv' }).click();
  expect(await readFile(await (await downloading).path())).toEqual(Buffer.from(bytes));
});
