import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const CHILD = fileURLToPath(new URL('../../helpers/server/import-graph-child.ts', import.meta.url));
const SOCKET_IO = /\/node_modules\/(?:socket\.io|socket\.io-[a-z]+|engine\.io|engine\.io-[a-z]+|ws)\//;

test('importing lumen-comm-server loads no Socket.IO; createCommServer loads it', async () => {
  const entry = import.meta.resolve('lumen-comm-server');
  const { stdout } = await promisify(execFile)(process.execPath, [CHILD, entry]);
  const [imported = [], started = []] = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as string[]);
  expect(imported).toContain(entry);
  expect(imported.filter((url) => SOCKET_IO.test(url))).toEqual([]);
  expect(started.some((url) => url.includes('/node_modules/socket.io/'))).toBe(true);
});
