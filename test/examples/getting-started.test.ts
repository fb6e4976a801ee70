import { afterAll, beforeAll, expect, test } from 'vitest';
import { snippetsOf } from '../helpers/documentation/snippets.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { clientPackage, pack, serverPackage } from '../packaging/packed.ts';
import { type App, createApp, type Running, warningsOf, withTarballs } from './app.ts';
import { openWindows, type Windows } from './browser.ts';

const PAGE = 'docs/getting-started.md';
const snippets = snippetsOf(PAGE);
const [installation = '', ...starts] = snippets.filter(({ language }) => language === 'sh').map(({ code }) => code);
const files = snippets.flatMap(({ file, code }) => (file === undefined ? [] : [{ file, code }]));
const TEXT = 'Minutes of Monday';

let app: App;
let windows: Windows;
const running: Running[] = [];
const warnings: string[] = [];
let pageUrl: string;

// The steps of the guide, in its order.
beforeAll(async () => {
  await using tarballs = await temporaryDirectory();
  const packed = await pack([clientPackage, serverPackage], tarballs.path);
  app = await createApp();
  for (const command of installation.split('\n').filter((line) => line.startsWith('npm'))) {
    warnings.push(...warningsOf(await app.run(withTarballs(command, packed))));
  }
  // The port is free on this machine, where the guide has the default.
  const server = app.start(starts[0] ?? '', { LUMEN_COMM_PORT: '0' });
  running.push(server);
  const serverUrl = await server.prints(/lumen-comm listening on (http:\S+)/);
  for (const { file, code } of files) await app.write(file, code.replace('http://127.0.0.1:3000', serverUrl));
  const vite = app.start(starts[1] ?? '');
  running.push(vite);
  pageUrl = await vite.prints(/Local:\s+(http:\S+)/);
  windows = await openWindows();
});

afterAll(async () => {
  await windows?.[Symbol.asyncDispose]();
  for (const each of running) await each[Symbol.asyncDispose]();
  await app?.[Symbol.asyncDispose]();
});

test('the guide has fewer than 60 lines of the reader’s own', () => {
  const lines = files.flatMap(({ code }) => code.split('\n').filter((line) => line.trim() !== ''));
  expect(files.map(({ file }) => file)).toEqual(['index.html', 'main.tsx']);
  expect(lines.length).toBeGreaterThan(20);
  expect(lines.length).toBeLessThan(60);
});

test('its packages are installed without a warning about peers or engines', () => {
  expect(warnings).toEqual([]);
});

test('its code compiles strictly', async () => {
  const options = '--strict --noEmit --jsx react-jsx --target es2023 --module esnext --moduleResolution bundler';
  expect(await app.run(`npx tsc ${options} --types react main.tsx`)).toBe('');
});

test('two users exchange a message and a file, and see each other in a call, with an empty console', async () => {
  const alice = await windows.open(`${pageUrl}?user=alice`);
  const bob = await windows.open(`${pageUrl}?user=bob`);

  await alice.getByLabel('Message').fill('Hello Bob');
  await alice.getByText('Send').click();
  await bob.getByText('alice: Hello Bob').waitFor();

  await bob.getByLabel('Message').fill('Here they are');
  await bob
    .getByLabel('Files')
    .setInputFiles({ name: 'minutes.txt', mimeType: 'text/plain', buffer: Buffer.from(TEXT) });
  await bob.getByText('Send').click();
  await alice.getByText('bob: Here they are').waitFor();
  const link = alice.getByRole('link', { name: 'minutes.txt' });
  await expect.poll(() => link.getAttribute('href')).toContain('?');
  expect(await (await alice.request.get((await link.getAttribute('href')) ?? '')).text()).toBe(TEXT);

  await alice.getByText('Call bob').click();
  await bob.getByText('Answer alice').click();
  for (const page of [alice, bob]) {
    await page.waitForFunction(() => {
      const video = document.querySelector('video');
      return video !== null && video.videoWidth > 0 && video.currentTime > 0.5;
    });
  }
  await bob.getByText('Hang up').click();
  await alice.getByText('Call bob').waitFor();
  await bob.getByText('Call alice').waitFor();

  expect(windows.complaints).toEqual([]);
});
