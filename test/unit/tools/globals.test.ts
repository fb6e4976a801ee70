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

/** Returns the output of the linter, with the configuration of the repository, for a file at this path. */
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

const peerConnection = 'export const connect = (): RTCPeerConnection => new RTCPeerConnection();\n';

test('the linter rejects a peer connection that is constructed in another file', async () => {
  expect(await lint('src/client/calls/webrtc/mesh.ts', peerConnection)).toContain('no-restricted-globals');
  expect(await lint('src/client/comm-client.ts', peerConnection)).toContain('no-restricted-globals');
});

test('peer-connection.ts may construct it', async () => {
  expect(await lint('src/client/calls/webrtc/peer-connection.ts', peerConnection)).not.toContain(
    'no-restricted-globals',
  );
});

test.each([
  ['Math.random()', 'no-restricted-properties'],
  ['crypto.getRandomValues(new Uint8Array(1))', 'no-restricted-properties'],
  ['crypto.randomUUID()', 'no-restricted-properties'],
  ['AbortSignal.timeout(1_000)', 'no-restricted-properties'],
])('the linter rejects %s outside of lib/random.ts', async (expression, rule) => {
  const source = `export const value = (): unknown => ${expression};\n`;
  expect(await lint('src/client/comm-client.ts', source)).toContain(rule);
  expect(await lint('src/server/services/chat/send-service.ts', source)).toContain(rule);
  expect(await lint('src/lib/random.ts', source)).not.toContain(rule);
});

test.each([
  ['systemRandom', 'random'],
  ['systemClock', 'clock'],
  ['uuidv7', 'ids'],
])('the linter rejects an import of %s in the client, except in options.ts', async (name, module) => {
  const source = `import { ${name} } from '../lib/${module}.ts';\nexport const value: unknown = ${name};\n`;
  expect(await lint('src/client/comm-client.ts', source)).toContain('no-restricted-imports');
  expect(await lint('src/transport/rest-client.ts', source)).toContain('no-restricted-imports');
  expect(await lint('src/client/options.ts', source)).not.toContain('no-restricted-imports');
});
