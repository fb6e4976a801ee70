import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { chromium } from 'playwright';

/** Keeps the browser from using the network for purposes of its own. */
const QUIET_FLAGS = [
  '--disable-quic',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
];

/**
 * Lets calls work without a camera, without a user who grants permissions, and on the loopback network. Ten frames per
 * second are half of the fake camera's default: browsers without a graphics card encode them on the processor.
 */
const CALL_FLAGS = [
  '--use-fake-device-for-media-stream=device-count=2,fps=10',
  '--use-fake-ui-for-media-stream',
  '--allow-loopback-in-peer-connection',
  '--autoplay-policy=no-user-gesture-required',
];

const INSTALLED = [
  'chromium',
  'chromium-browser',
  'google-chrome',
  'google-chrome-stable',
  'google-chrome-unstable',
  'chrome',
];
const INSTALLED_ELSEWHERE = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  String.raw`C:\Program Files\Google\Chrome\Application\chrome.exe`,
  String.raw`C:\Program Files (x86)\Google\Chrome\Application\chrome.exe`,
];

const isRoot = process.getuid?.() === 0;

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Returns the browser to test with: `CHROME_PATH`, an installed Chrome or Chromium, or Playwright's own. */
export function findChromium(): string | undefined {
  const wanted = process.env['CHROME_PATH'];
  if (wanted !== undefined && wanted !== '') {
    if (isExecutable(wanted)) return wanted;
    throw new Error(`CHROME_PATH is ${wanted}, which can't be executed. Correct it, or unset it.`);
  }
  const folders = (process.env['PATH'] ?? '').split(path.delimiter).filter((folder) => path.isAbsolute(folder));
  const installed = folders.flatMap((folder) => INSTALLED.map((name) => path.join(folder, name)));
  return [...installed, ...INSTALLED_ELSEWHERE, chromium.executablePath()].find((file) => isExecutable(file));
}

/** Returns Playwright's launch options. Chromium refuses to run its sandbox as root, so that it is off there. */
export function launchOptions(): { executablePath?: string; args: string[] } {
  const executablePath = findChromium();
  return {
    ...(executablePath !== undefined && { executablePath }),
    args: [...QUIET_FLAGS, ...CALL_FLAGS, ...(isRoot ? ['--no-sandbox'] : [])],
  };
}

/** Finds a browser, or installs one and prints a line about it. */
export function ensureChromium(): string {
  const found = findChromium();
  if (found !== undefined) return found;
  for (const [title, install] of installers()) {
    console.log(`No Chrome or Chromium found: installing one (${title})`);
    if (!install()) {
      console.log(`  ${title} didn't work`);
      continue;
    }
    const installed = findChromium();
    if (installed !== undefined) {
      console.log(`  installed ${installed}`);
      return installed;
    }
  }
  throw new Error(
    'No Chrome or Chromium to run the browser tests in, and none could be installed. ' +
      'Install one (`npx playwright install --with-deps chromium`, or the package `chromium` of your system), ' +
      'or set CHROME_PATH to its executable.',
  );
}

function installers(): [title: string, install: () => boolean][] {
  const run = (command: string, args: readonly string[]): boolean =>
    spawnSync(command, args, {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
      timeout: 300_000,
    }).status === 0;
  const cli = path.join(import.meta.dirname, '../node_modules/playwright/cli.js');
  const playwrightCli = (command: string): boolean => run(process.execPath, [cli, command, 'chromium']);
  return [
    [
      "Playwright's own",
      // System packages come second: if the download fails, the system is unchanged.
      () => playwrightCli('install') && (!isRoot || playwrightCli('install-deps')),
    ],
    [
      "Debian's package chromium",
      () =>
        isRoot &&
        run('apt-get', ['update']) &&
        run('apt-get', ['install', '--yes', '--no-install-recommends', 'chromium', 'fonts-liberation']),
    ],
  ];
}

if (import.meta.main) {
  const file = ensureChromium();
  const { status, stdout, stderr } = spawnSync(file, ['--version'], { encoding: 'utf8' });
  console.log(status === 0 ? `${stdout.trim()} (${file})` : `${file} can't be run:\n${stderr}`);
  process.exitCode = status === 0 ? 0 : 1;
}
