import { DatabaseSync } from 'node:sqlite';
import { readdir, rm } from 'node:fs/promises';
import { describe, expect, test, vi } from 'vitest';
import { serverCoreFor } from '../../../../src/server/server-core.ts';
import { createCommunicationRoutes } from '../../../../src/server/routes.ts';
import type { MessageAttachment } from '../../../../src/protocol/messages.ts';
import { type Logger, silentLogger } from '../../../../src/lib/logger.ts';
import { manualClock } from '../../../helpers/manual-clock.ts';
import { PNG, startFileServer, type FileServer } from '../../../helpers/server/files.ts';
import type { CheckedClient } from '../../../helpers/server/checked-client.ts';

const TEXT = Buffer.from('0123456789');

async function signedUrl(user: CheckedClient, path: string): Promise<string | undefined> {
  const { files } = await user.ask('file:sign', { fileIds: [idOf(path)] });
  return files[0]?.url;
}

function idOf(path: string): string {
  return path.split('/')[3] ?? '';
}

async function statusFor(files: FileServer, path: string, userId: string): Promise<number> {
  const response = await files.load(path, userId);
  await response.arrayBuffer();
  return response.status;
}

describe('access', () => {
  test('a file belongs to its uploader until a message refers to it, and then to the members', async () => {
    await using files = await startFileServer();
    const attachment = await files.upload(TEXT);
    const { url } = attachment;
    expect([await statusFor(files, url, 'ann'), await statusFor(files, url, 'bob')]).toEqual([200, 404]);
    expect(await signedUrl(files.bob, url)).toBeUndefined();
    await files.send(attachment);
    expect([await statusFor(files, url, 'bob'), await statusFor(files, url, 'carl')]).toEqual([200, 404]);
    const signed = (await signedUrl(files.bob, url)) ?? '';
    expect(await (await fetch(files.url + signed)).text()).toBe('0123456789');
  });

  test('a removed member loses access at once, by the header and by a URL signed before', async () => {
    await using files = await startFileServer();
    const attachment = await files.upload(TEXT);
    await files.send(attachment);
    const signed = (await signedUrl(files.bob, attachment.url)) ?? '';
    const { ann, conversationId } = files;
    await ann.ask('conversation:remove-participant', { conversationId, userId: 'bob' });
    expect(await statusFor(files, attachment.url, 'bob')).toBe(404);
    expect((await fetch(files.url + signed)).status).toBe(404);
  });

  test('the file of a deleted message is 404, and its bytes are deleted by the next sweep', async () => {
    const db = new DatabaseSync(':memory:');
    await using files = await startFileServer({ db });
    const attachment = await files.upload(TEXT);
    const messageId = await files.send(attachment);
    const { ann, conversationId } = files;
    await ann.ask('message:delete', { conversationId, messageId });
    for (const userId of ['ann', 'bob']) expect(await statusFor(files, attachment.url, userId)).toBe(404);
    await serverCoreFor({ db }).services.files.sweep();
    const entries = await readdir(files.directory, { recursive: true, withFileTypes: true });
    expect(entries.filter((entry) => entry.isFile())).toEqual([]);
  });

  test('a forwarded file is kept and readable in the other conversation when the original is deleted', async () => {
    const db = new DatabaseSync(':memory:');
    await using files = await startFileServer({ db });
    const { ann, bob, conversationId, server } = files;
    await server.connect('carl');
    const attachment = await files.upload(TEXT);
    const messageId = await files.send(attachment);
    const { id: toConversationId } = await bob.ask('conversation:create', { type: 'direct', participantIds: ['carl'] });
    const forward = { messageId, fromConversationId: conversationId, toConversationId };
    await bob.ask('message:forward', forward);
    await ann.ask('message:delete', { conversationId, messageId });
    await serverCoreFor({ db }).services.files.sweep();
    expect(await statusFor(files, attachment.url, 'carl')).toBe(200);
    expect(await statusFor(files, attachment.url, 'ann')).toBe(404);
  });

  test("a message can't refer to a file of another user, of another conversation, or with other properties", async () => {
    await using files = await startFileServer();
    const { ann, bob, conversationId } = files;
    const attachment = await files.upload(TEXT);
    const send = { conversationId, content: '', type: 'file', attachment } as const;
    const message = 'attachment.url must be a file that you have uploaded to this conversation';
    expect(await bob.refused('message:send', send)).toMatchObject({ code: 'INVALID', message });
    const unknown = attachment.url.replace(idOf(attachment.url), '00000000-0000-4000-8000-000000000000');
    const other = { ...send, attachment: { ...attachment, url: unknown } };
    expect(await ann.refused('message:send', other)).toMatchObject({ code: 'INVALID', message });
    const thumbnail = { ...attachment, url: 'https://example.com/a.png', thumbnailUrl: attachment.url };
    expect((await bob.refused('message:send', { ...send, attachment: thumbnail })).message).toMatch('thumbnailUrl');
    const { id } = await ann.ask('conversation:create', { type: 'direct', participantIds: ['bob'] });
    expect(await ann.refused('message:send', { ...send, conversationId: id })).toMatchObject({ code: 'INVALID' });
    for (const lie of [{ fileSize: 1 }, { mimeType: 'image/png' }]) {
      const lying = { ...send, attachment: { ...attachment, ...lie } };
      expect(await ann.refused('message:send', lying)).toMatchObject({ code: 'INVALID' });
    }
    const unfinished = await files.begin({ size: 10 });
    const early = { ...attachment, url: unfinished.key };
    expect(await ann.refused('message:send', { ...send, attachment: early })).toMatchObject({ code: 'INVALID' });
    expect(await ann.ask('message:send', send)).toMatchObject({ attachment });
  });

  test('all files of a message belong to it, and the first is its attachment for clients that know one only', async () => {
    const db = new DatabaseSync(':memory:');
    await using files = await startFileServer({ db });
    const { ann, bob, conversationId } = files;
    const attachments = [await files.upload(TEXT), await files.upload(PNG, { mimeType: 'image/png' })];
    const [first, second] = attachments as [MessageAttachment, MessageAttachment];
    const send = { conversationId, content: '', type: 'file', attachments } as const;
    expect(await bob.refused('message:send', { ...send, attachments: [second] })).toMatchObject({ code: 'INVALID' });
    const external = { url: 'https://example.com/a', mimeType: 'text/plain', fileName: 'a', fileSize: 1 };
    for (const wrong of [[], Array.from({ length: 11 }, () => external), [external, { ...second, fileSize: 1 }]]) {
      expect(await ann.refused('message:send', { ...send, attachments: wrong })).toMatchObject({ code: 'INVALID' });
    }
    const sent = await ann.ask('message:send', send);
    expect(sent).toMatchObject({ attachment: first, attachments });
    const { id: toConversationId } = await ann.ask('conversation:create', { type: 'direct', participantIds: ['carl'] });
    const copy = { messageId: sent.id, fromConversationId: conversationId, toConversationId };
    const { id: copyId, ...forwarded } = await ann.ask('message:forward', copy);
    expect(forwarded).toMatchObject({ attachment: first, attachments });
    expect(await statusFor(files, second.url, 'bob')).toBe(200);
    expect(await statusFor(files, second.url, 'carl')).toBe(200);
    const history = await files.load(`/__nk_comm/conversations/${conversationId}/messages`, 'bob');
    expect(await history.json()).toMatchObject([{ attachment: first, attachments }]);
    const deleted = await ann.ask('message:delete', { conversationId, messageId: sent.id });
    expect(JSON.stringify(deleted)).not.toContain(second.url);
    await ann.ask('message:delete', { conversationId: toConversationId, messageId: copyId });
    await serverCoreFor({ db }).services.files.sweep();
    const entries = await readdir(files.directory, { recursive: true, withFileTypes: true });
    expect(entries.filter((entry) => entry.isFile())).toEqual([]);
  });

  test('what a message says of its pictures and sounds is bounded', async () => {
    await using files = await startFileServer();
    const { ann, conversationId } = files;
    const attachment = await files.upload(TEXT);
    const send = { conversationId, content: '', type: 'file' } as const;
    for (const wrong of [
      { placeholder: 'A'.repeat(37) },
      { placeholder: '<script>' },
      { waveform: Array.from({ length: 65 }, () => 1) },
      { waveform: [101] },
      { waveform: [0.5] },
    ]) {
      const wrongly = { ...send, attachment: { ...attachment, ...wrong } };
      expect(await ann.refused('message:send', wrongly)).toMatchObject({ code: 'INVALID' });
    }
    const described = { ...attachment, placeholder: '1QcSHQRnh493V4dIh4eXh1h4kJUI', waveform: [0, 50, 100] };
    expect(await ann.ask('message:send', { ...send, attachment: described })).toMatchObject({ attachment: described });
  });
});

describe('a signed URL', () => {
  test('is valid for this file and this user only, and for ten minutes at most', async () => {
    const clock = manualClock();
    await using files = await startFileServer({ clock });
    const [one, other] = [await files.upload(TEXT), await files.upload(TEXT)];
    const signed = new URL((await signedUrl(files.ann, one.url)) ?? '', files.url);
    const load = async (change: (url: URL) => void): Promise<number> => {
      const url = new URL(signed);
      change(url);
      return (await fetch(url)).status;
    };
    expect(await load(() => undefined)).toBe(200);
    expect(await load((url) => (url.pathname = other.url))).toBe(401);
    expect(await load((url) => url.searchParams.set('user', 'bob'))).toBe(401);
    expect(await load((url) => url.searchParams.set('expires', '99999999999'))).toBe(401);
    expect(await load((url) => url.searchParams.set('signature', ''))).toBe(401);
    clock.sleep(600_000);
    expect(await load(() => undefined)).toBe(401);
  });

  test('stays the same for a while, so that browsers can cache the file', async () => {
    await using files = await startFileServer({ clock: manualClock() });
    const { url } = await files.upload(TEXT);
    expect(await signedUrl(files.ann, url)).toBe(await signedUrl(files.ann, url));
  });
});

describe('a download', () => {
  test.each([
    ['bytes=0-0', 206, '0', 'bytes 0-0/10'],
    ['bytes=3-', 206, '3456789', 'bytes 3-9/10'],
    ['bytes=-4', 206, '6789', 'bytes 6-9/10'],
    ['bytes=8-100', 206, '89', 'bytes 8-9/10'],
    ['bytes=-100', 206, '0123456789', 'bytes 0-9/10'],
    ['bytes=10-', 416, '', 'bytes */10'],
    ['bytes=-0', 416, '', 'bytes */10'],
    ['bytes=5-2', 200, '0123456789', null],
    ['bytes=0-1,3-4', 200, '0123456789', null],
    ['lines=0-1', 200, '0123456789', null],
  ])('answers the range %s with %i', async (range, status, body, contentRange) => {
    await using files = await startFileServer();
    const { url } = await files.upload(TEXT);
    const response = await files.load(url, 'ann', { headers: { range } });
    expect([response.status, await response.text()]).toEqual([status, body]);
    expect(response.headers.get('content-range')).toBe(contentRange);
    expect(response.headers.get('content-length')).toBe(String(body.length));
  });

  test('can be revalidated and continued by its ETag', async () => {
    await using files = await startFileServer();
    const { url } = await files.upload(TEXT);
    const etag = (await files.load(url, 'ann')).headers.get('etag') ?? '';
    const load = (headers: Record<string, string>) => files.load(url, 'ann', { headers });
    expect((await load({ 'if-none-match': etag })).status).toBe(304);
    expect(await (await load({ range: 'bytes=5-', 'if-range': etag })).text()).toBe('56789');
    expect(await (await load({ range: 'bytes=5-', 'if-range': '"other"' })).text()).toBe('0123456789');
    const head = await files.load(url, 'ann', { method: 'HEAD' });
    expect([head.headers.get('content-length'), head.headers.get('etag'), await head.text()]).toEqual(['10', etag, '']);
  });

  test.each([
    ['an image', 'image/png', PNG, 'image/png', /^inline; /],
    ['HTML', 'text/html', Buffer.from('<script>alert(1)</script>'), 'application/octet-stream', /^attachment; /],
    ['an SVG', 'image/svg+xml', Buffer.from('<svg/>'), 'application/octet-stream', /^attachment; /],
    ['a script', 'text/javascript', Buffer.from('alert(1)'), 'application/octet-stream', /^attachment; /],
    [
      'a PNG that contains HTML',
      'image/png',
      Buffer.concat([PNG, Buffer.from('<script>alert(1)</script>')]),
      'image/png',
      /^inline; /,
    ],
  ])('of %s can not run scripts in the origin of the server', async (_, mimeType, bytes, served, disposition) => {
    await using files = await startFileServer();
    const { url } = await files.upload(bytes, { mimeType });
    const { headers } = await files.load(url, 'ann');
    expect(headers.get('content-type')).toBe(served);
    expect(headers.get('content-disposition')).toMatch(disposition);
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toMatch(/^sandbox; default-src 'none'/);
    expect(headers.get('cache-control')).toMatch(/private.*immutable/);
  });

  test.each([
    ['../../etc/passwd', `attachment; filename=".._.._etc_passwd"; filename*=UTF-8''..%2F..%2Fetc%2Fpasswd`],
    [
      'a"b\r\nset-cookie: c=d',
      `attachment; filename="a_b__set-cookie_ c_d"; filename*=UTF-8''a%22b%0D%0Aset-cookie%3A%20c%3Dd`,
    ],
    ['Grüße.txt', `attachment; filename="Gr__e.txt"; filename*=UTF-8''Gr%C3%BC%C3%9Fe.txt`],
    ['..', `attachment; filename=".."; filename*=UTF-8''..`],
  ])('has the name %j in its header', async (fileName, disposition) => {
    await using files = await startFileServer();
    const { url } = await files.upload(TEXT, { fileName });
    const response = await files.load(url, 'ann');
    expect([response.status, response.headers.get('content-disposition')]).toEqual([200, disposition]);
    await files.send({ url, fileName, mimeType: 'application/octet-stream', fileSize: TEXT.length });
  });

  test.each(['/__nk_comm/files/..%2f..%2fetc%2fpasswd/a', '/__nk_comm/files/%00/a', '/__nk_comm/files//a'])(
    'of %s is 404',
    async (path) => {
      await using files = await startFileServer();
      expect(await statusFor(files, path, 'ann')).toBe(404);
    },
  );

  test('requires a user', async () => {
    await using files = await startFileServer();
    const { url } = await files.upload(TEXT);
    expect((await fetch(files.url + url)).status).toBe(401);
  });

  test('of a file that can not be read closes the connection, and is logged once', async () => {
    const warn = vi.fn<Logger['warn']>();
    await using files = await startFileServer({ logger: { ...silentLogger, warn } });
    const { url } = await files.upload(TEXT);
    await rm(files.directory, { recursive: true });
    for (let time = 0; time < 2; time += 1) {
      await expect(files.load(url, 'ann').then((response) => response.text())).rejects.toThrow(TypeError);
    }
    const lines = warn.mock.calls.filter(([cause]) => cause === 'failed to read a file');
    expect(lines).toEqual([['failed to read a file', { code: 'INTERNAL', reason: `${idOf(url)} ENOENT` }]]);
  });

  test('and an upload work by the Fetch handler for embedders', async () => {
    const db = new DatabaseSync(':memory:');
    await using files = await startFileServer({ db });
    const routes = createCommunicationRoutes({ db, logger: silentLogger });
    const { uploadUrl, key } = await files.begin({ size: TEXT.length });
    const put = new Request(`http://localhost${uploadUrl}`, { method: 'PUT', body: TEXT.toString() });
    expect((await routes(put)).status).toBe(200);
    const headers = { 'x-user-id': 'ann', range: 'bytes=2-4' };
    const response = await routes(new Request(`http://localhost${key}`, { headers }));
    expect([response.status, await response.text()]).toEqual([206, '234']);
  });
});
