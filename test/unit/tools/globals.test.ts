import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

const root = path.resolve(import.meta.dirname, '../../..');
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'globals-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What the linter, as it is configured here, says about a file at that place. */
async function lint(file: string, source: string): Promise<string> {
  await mkdir(path.dirname(path.join(folder, file)), { recursive: true });
  await writeFile(path.join(folder, file), source);
  const config = JSON.stringify({ extends: [path.join(root, '.oxlintrc.json')], options: { typeAware: false } });
  await writeFile(path.join(folder, '.oxlintrc.json'), config);
  const cli = path.join(root, 'node_modules/oxlint/bin/oxlint');
  return new Promise((resolve) => {
    execFile(process.execPath, [cli, file], { cwd: folder }, (_error, stdout) => resolve(stdout));
  });
}

const source = 'export const connect = (): RTCPeerConnection => new RTCPeerConnection();\n';

test('the linter catches a connection that is made anywhere else', async () => {
  expect(await lint('src/client/calls/mesh.ts', source)).toContain('no-restricted-globals');
  expect(await lint('src/client/comm-client.ts', source)).toContain('no-restricted-globals');
});

test('in its place it may be made', async () => {
  expect(await lint('src/client/calls/peer.ts', source)).not.toContain('no-restricted-globals');
});
