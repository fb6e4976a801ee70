import { once } from 'node:events';
import { readdir, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import path from 'node:path';
import { SignJWT } from 'jose';
import { expect, test } from 'vitest';
import { DEFAULT_REST_PATH } from '../../src/protocol/constants.ts';
import { startServerProcess } from '../../src/server/testing/server-process.ts';
import { connectUser } from '../../src/testing/connect-user.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';

const SECRET = 'the secret of a server that is attacked';
const LIST = `${DEFAULT_REST_PATH}/conversations`;

/** Sends a request for the conversations with exactly these header lines. Returns the status. */
async function status(port: number, headers: readonly string[], target = LIST): Promise<number> {
  const socket = connect(port, '127.0.0.1');
  await once(socket, 'connect');
  socket.write([`GET ${target} HTTP/1.1`, 'Connection: close', ...headers, '', ''].join('\r\n'));
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await once(socket, 'close');
  return Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]);
}

function sign(claims: Record<string, unknown>): Promise<string> {
  return new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(new TextEncoder().encode(SECRET));
}

test('behind a proxy only one header names the user, on the host names of the server', async () => {
  await using directory = await temporaryDirectory();
  const database = `${directory.path}/comm.sqlite`;
  await using server = await startServerProcess({ database, args: ['--trust-user-id'] });
  const host = `Host: 127.0.0.1:${server.port}`;
  expect(await status(server.port, [host, 'x-user-id: ann'])).toBe(200);
  expect(await status(server.port, [host, 'x-user-id: '], `${LIST}?userId=ann`)).toBe(401);
  expect(await status(server.port, [host], `${LIST}?userId=ann`)).toBe(401);
  expect(await status(server.port, [host, 'x-user-id: ann', 'x-user-id: bob'])).toBe(401);
  expect(await status(server.port, ['Host: rebound.example', 'x-user-id: ann'])).toBe(403);
});

test('tokens need an age, and user ids must not look like others', async () => {
  await using directory = await temporaryDirectory();
  const database = `${directory.path}/comm.sqlite`;
  await using server = await startServerProcess({ database, args: ['--jwt-secret', SECRET] });
  const now = Math.floor(Date.now() / 1_000);
  const statusOf = async (claims: Record<string, unknown>): Promise<number> =>
    await status(server.port, [`Host: 127.0.0.1`, `Authorization: Bearer ${await sign(claims)}`]);
  expect(await statusOf({ sub: 'ann', iat: now, exp: now + 60 })).toBe(200);
  expect(await statusOf({ sub: 'ann' })).toBe(401);
  expect(await statusOf({ sub: 'ann', iat: now - 100 * 86_400 })).toBe(401);
  for (const sub of [' ann', 'ann ', 'a\u202Enn', 'a\u200Bnn', 'a\u0000nn']) {
    expect(await statusOf({ sub, iat: now, exp: now + 60 }), JSON.stringify(sub)).toBe(401);
  }
});

test('an origin with another scheme and a request without a host are refused', async () => {
  await using directory = await temporaryDirectory();
  const database = `${directory.path}/comm.sqlite`;
  await using server = await startServerProcess({ database, args: ['--jwt-secret', SECRET] });
  const now = Math.floor(Date.now() / 1_000);
  const authorization = `Authorization: Bearer ${await sign({ sub: 'ann', iat: now, exp: now + 60 })}`;
  const from = (origin: string): Promise<number> =>
    status(server.port, ['Host: chat.example', `Origin: ${origin}`, authorization]);
  expect(await from('http://chat.example')).toBe(200);
  expect(await from('https://chat.example')).toBe(403);
  expect(await from('http://chat.example:81')).toBe(403);
  expect([400, 403]).toContain(await status(server.port, [authorization]));
});

test('attachment URLs that a browser would read as another site are rejected', async () => {
  await using directory = await temporaryDirectory();
  await using server = await startServerProcess({ database: `${directory.path}/comm.sqlite` });
  await using ann = await connectUser({ url: server.url, userId: 'ann' });
  const { id } = await ann.request('conversation:create', { type: 'group', participantIds: [] });
  const send = (url: string): Promise<unknown> =>
    ann.request('message:send', {
      conversationId: id,
      content: 'look',
      type: 'file',
      attachment: { url, mimeType: 'image/png', fileName: 'a.png', fileSize: 1 },
    });
  await send('/files/1');
  for (const url of ['/\\evil.com', '/\t/evil.com', 'https://a b', '//evil.com', 'javascript:alert(1)']) {
    await expect(send(url), url).rejects.toMatchObject({ code: 'INVALID' });
  }
});

test('the files of the database are readable only by their owner', async () => {
  await using directory = await temporaryDirectory();
  await using server = await startServerProcess({ database: path.join(directory.path, 'comm.sqlite') });
  await using ann = await connectUser({ url: server.url, userId: 'ann' });
  await ann.request('conversation:create', { type: 'group', participantIds: [] });
  const files = await readdir(directory.path);
  expect(files.length).toBeGreaterThan(1);
  for (const file of files) expect((await stat(path.join(directory.path, file))).mode & 0o077, file).toBe(0);
});
