import { expect, test } from 'vitest';
import { VERSION } from '../../../src/lib/version.ts';
import { connectClient } from '../../helpers/server/checked-client.ts';
import { Command } from '../../helpers/server/command.ts';
import { startServer } from '../../helpers/server/comm-server.ts';
import { temporaryDirectory } from '../../helpers/temporary-directory.ts';

test.each(['SIGTERM', 'SIGINT'] as const)('%s disconnects the clients and exits with 0', async (signal) => {
  await using directory = await temporaryDirectory();
  await using command = new Command(['serve', '--port', '0', '--database', `${directory.path}/comm.sqlite`]);
  const url = await command.listening();
  await expect.poll(() => command.stderr).toMatch(/development mode/);
  using alice = await connectClient(url, { userId: 'alice' });
  const { id: conversationId } = await alice.ask('conversation:create', { type: 'group', participantIds: [] });
  await alice.ask('message:send', { conversationId, content: 'Hi', type: 'text' });
  command.kill(signal);
  expect(await alice.disconnected()).toBe('transport close');
  expect(await command.exit()).toBe(0);
  expect(command.stdout).toBe(`lumen-comm listening on ${url}\n`);
});

test('the environment configures address and JWTs, and user ids are no longer accepted', async () => {
  const env = {
    LUMEN_COMM_PORT: '0',
    LUMEN_COMM_DATABASE: ':memory:',
    LUMEN_COMM_JWT_SECRET: 'a secret that is long enough for HS256',
    NODE_ENV: 'production',
  };
  await using command = new Command(['serve'], env);
  const url = await command.listening();
  expect((await fetch(`${url}/__nk_comm/conversations?userId=alice`)).status).toBe(401);
  expect(command.stdout + command.stderr).not.toContain(env.LUMEN_COMM_JWT_SECRET);
  expect(command.stderr).toBe('');
});

test('a port in use is reported in one line with exit code 1', async () => {
  await using server = await startServer();
  const { port } = server.server;
  await using command = new Command(['serve', '--port', String(port), '--database', ':memory:']);
  expect(await command.exit()).toBe(1);
  expect(command.stderr).toContain(`lumen-comm: port ${port} on 127.0.0.1 is in use\n`);
  expect(command.stdout).toBe('');
});

test.each<[why: string, args: string[], env: Record<string, string>, message: RegExp]>([
  ['an unknown option', ['serve', '--verbose'], {}, /--verbose/],
  ['an extra argument', ['serve', 'now'], {}, /^lumen-comm: Unexpected argument "now"; serve takes only options\n/],
  ['production without authentication', ['serve', '--port', '0'], { NODE_ENV: 'production' }, /--trust-user-id/],
  ['a public address without authentication', ['serve', '--port', '0', '--host', '0.0.0.0'], {}, /--trust-user-id/],
  ['an invalid origin', ['serve', '--port', '0', '--database', ':memory:', '--origin', 'x'], {}, /origin/],
])('%s exits with 2', async (_, args, env, message) => {
  await using command = new Command(args, env);
  expect(await command.exit()).toBe(2);
  expect(command.stderr).toMatch(message);
  expect(command.stdout).toBe('');
});

test('a database that cannot be opened is reported with exit code 1', async () => {
  await using command = new Command(['serve', '--port', '0', '--database', '/nowhere/at/all/comm.sqlite']);
  expect(await command.exit()).toBe(1);
  expect(command.stderr).toMatch(/nowhere\/at\/all\/comm\.sqlite.*unable to open database file/);
});

test('--help writes to the standard output', async () => {
  await using command = new Command(['--help']);
  expect(await command.exit()).toBe(0);
  expect(command.stdout).toMatch(/^Usage: lumen-comm-server \[serve\]/);
});

test('--version prints the version of the package', async () => {
  await using command = new Command(['--version']);
  expect(await command.exit()).toBe(0);
  expect(command.stdout).toBe(`${VERSION}\n`);
});
