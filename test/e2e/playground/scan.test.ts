import { rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { encodeQR } from 'qr';
import { afterAll, expect, test } from 'vitest';
import { temporaryDirectory } from '../../helpers/temporary-directory.ts';
import { isAccessible } from './accessibility.ts';
import { message, openChat, openEncryptionMenu, say, usePlayground } from './playground.ts';

const WIDTH = 640;
const HEIGHT = 480;
const MODULE = 6;
const BLACK = 16;
const WHITE = 235;

const directory = await temporaryDirectory();
/** What Chromium's fake camera films. It is opened whenever a page opens the camera. */
const film = path.join(directory.path, 'camera.y4m');
afterAll(() => directory[Symbol.asyncDispose]());

const startPlayground = usePlayground([`--use-file-for-fake-video-capture=${film}`]);

/** Shows a QR code to the camera, black on white, or nothing. */
async function showToCamera(text: string | undefined): Promise<void> {
  const luma = Buffer.alloc(WIDTH * HEIGHT, WHITE);
  const modules = text === undefined ? [] : encodeQR(text, 'raw', { ecc: 'medium', border: 4 });
  const [left, top] = [WIDTH, HEIGHT].map((side) => Math.floor((side - modules.length * MODULE) / 2));
  for (const [y, row] of modules.entries()) {
    for (const [x, isDark] of row.entries()) {
      if (!isDark) continue;
      for (let line = 0; line < MODULE; line += 1) {
        const start = ((top ?? 0) + y * MODULE + line) * WIDTH + (left ?? 0) + x * MODULE;
        luma.fill(BLACK, start, start + MODULE);
      }
    }
  }
  const header = Buffer.from(`YUV4MPEG2 W${WIDTH} H${HEIGHT} F10:1 Ip A1:1 C420jpeg\n`);
  const chroma = Buffer.alloc((WIDTH * HEIGHT) / 2, 128);
  const frame = [Buffer.from('FRAME\n'), luma, chroma];
  await writeFile(`${film}.new`, Buffer.concat([header, ...frame, ...frame]));
  await rename(`${film}.new`, film);
}

test('a safety code is scanned with the camera; another code is reported as different', async () => {
  await showToCamera(undefined);
  const playground = await startPlayground();
  const [alice, bob] = await playground.windows(['alice', 'bob'], {
    permissions: ['camera', 'clipboard-read', 'clipboard-write'],
  });
  await playground.published('alice', 'bob');
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  await openEncryptionMenu(alice);
  await alice.getByRole('menuitem', { name: 'Encrypt from now on' }).click();
  await say(alice, 'In secret');
  await openChat(bob, 'Alice');
  await message(bob, 'In secret').waitFor();
  await openEncryptionMenu(bob);
  await bob.getByRole('menuitem', { name: 'Compare keys with Alice' }).click();
  await bob.getByRole('button', { name: 'Copy the code' }).click();
  await bob.getByText('Copied').waitFor();
  const code = await bob.evaluate(() => navigator.clipboard.readText());

  await openEncryptionMenu(alice);
  await alice.getByRole('menuitem', { name: 'Compare keys with Bob' }).click();
  const dialog = alice.getByRole('dialog', { name: 'Compare keys with Bob' });
  const scan = dialog.getByRole('button', { name: 'Scan with the camera' });
  // Nothing to see yet: the camera runs until it is stopped.
  await scan.click();
  const video = dialog.locator('video');
  await expect.poll(() => video.evaluate((each: HTMLVideoElement) => each.videoWidth)).toBe(WIDTH);
  for (const width of [390, 1280]) {
    await alice.setViewportSize({ width, height: 760 });
    await isAccessible(alice);
  }
  const track = await video.evaluateHandle((each: HTMLVideoElement) => (each.srcObject as MediaStream).getTracks()[0]);
  await dialog.getByRole('button', { name: 'Stop the camera' }).click();
  await video.waitFor({ state: 'detached' });
  await expect.poll(() => track.evaluate((each) => each?.readyState)).toBe('ended');
  await expect.poll(() => scan.evaluate((each) => each === document.activeElement)).toBe(true);

  await showToCamera(code.replace(/.$/, (last) => (last === 'A' ? 'Q' : 'A')));
  await scan.click();
  await dialog.getByText('This is not what Bob should see.').waitFor();
  await showToCamera(code);
  await scan.click();
  await dialog.getByText('You have verified Bob’s key.').waitFor();
  expect(await video.count()).toBe(0);
});

test('the detector of the browser reads codes if it knows QR codes, otherwise a library is loaded', async () => {
  await showToCamera(undefined);
  const playground = await startPlayground();
  const [alice] = await playground.windows(['alice', 'bob'], { permissions: ['camera'] });
  const libraries: string[] = [];
  alice.on('request', (request) => {
    if (/\/decode-[^/]+\.js$/.test(request.url())) libraries.push(request.url());
  });
  await playground.published('alice', 'bob');
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  await openEncryptionMenu(alice);
  await alice.getByRole('menuitem', { name: 'Encrypt from now on' }).click();
  await say(alice, 'In secret');
  await message(alice, 'In secret').getByRole('img', { name: 'Sent' }).waitFor();
  await openEncryptionMenu(alice);
  await alice.getByRole('menuitem', { name: 'Compare keys with Bob' }).click();
  const dialog = alice.getByRole('dialog', { name: 'Compare keys with Bob' });
  const scan = dialog.getByRole('button', { name: 'Scan with the camera' });
  /** Chromium has a detector on Android, ChromeOS and macOS only. */
  const installDetector = (known: readonly string[]): Promise<void> =>
    alice.evaluate((formats) => {
      class Detector {
        readonly #formats: readonly string[];
        constructor(options: { formats: readonly string[] }) {
          this.#formats = options.formats;
        }
        static getSupportedFormats(): Promise<readonly string[]> {
          return Promise.resolve(formats);
        }
        detect(video: HTMLVideoElement): Promise<{ rawValue: string }[]> {
          return Promise.resolve(video.videoWidth > 0 ? [{ rawValue: `NKC1:${this.#formats.join()}` }] : []);
        }
      }
      Object.assign(globalThis, { BarcodeDetector: Detector });
    }, known);

  await installDetector(['ean_13', 'qr_code']);
  await scan.click();
  await dialog.getByText('This is not what Bob should see.').waitFor();
  expect(libraries).toEqual([]);

  await installDetector(['ean_13']);
  await scan.click();
  await expect.poll(() => libraries.length).toBe(1);
  await dialog.getByRole('button', { name: 'Stop the camera' }).click();
  await scan.waitFor();
});

test('a denied camera is explained, and the code can still be pasted', async () => {
  const playground = await startPlayground();
  const [alice] = await playground.windows(['alice', 'bob']);
  await playground.published('alice', 'bob');
  await alice.getByRole('button', { name: 'Chat with Bob' }).click();
  await alice.evaluate(() => {
    navigator.mediaDevices.getUserMedia = () =>
      Promise.reject(new DOMException('Permission denied', 'NotAllowedError'));
  });
  await openEncryptionMenu(alice);
  await alice.getByRole('menuitem', { name: 'Encrypt from now on' }).click();
  await say(alice, 'In secret');
  await message(alice, 'In secret').getByRole('img', { name: 'Sent' }).waitFor();
  await openEncryptionMenu(alice);
  await alice.getByRole('menuitem', { name: 'Compare keys with Bob' }).click();
  const dialog = alice.getByRole('dialog', { name: 'Compare keys with Bob' });
  await dialog.getByRole('button', { name: 'Scan with the camera' }).click();
  await dialog.getByText('The camera can not be used.').waitFor();
  await dialog.getByLabel('Code from Bob’s screen').fill('NKC1:nothing');
  await dialog.getByRole('button', { name: 'Compare', exact: true }).click();
  await dialog.getByText('This is not what Bob should see.').waitFor();
});
