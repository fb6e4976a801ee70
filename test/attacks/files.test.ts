import { once } from 'node:events';
import { readdir, stat } from 'node:fs/promises';
import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import type { RequestUpload, UploadReady } from '../../src/protocol/files.ts';
import type { TestUser } from '../../src/testing/connect-user.ts';
import { eventually } from '../helpers/eventually.ts';
import { PNG } from '../helpers/server/files.ts';
import { MEGABYTE, startAttackedServer, type AttackedServer } from './test-bed.ts';

const UNKNOWN_ID = '00000000-0000-4000-8000-000000000000';
const OCTETS = 'application/octet-stream';
const PATCH_HEADERS = { 'tus-resumable': '1.0.0', 'content-type': 'application/offset+octet-stream' };

/** A server, and a conversation of the victim with a friend. */
async function startChat(): Promise<{ server: AttackedServer; victim: TestUser; conversationId: string }> {
  const server = await startAttackedServer();
  const victim = await server.connect('victim');
  const { id } = await victim.request('conversation:create', { type: 'group', participantIds: ['friend'] });
  return { server, victim, conversationId: id };
}

/** Begins an upload of one byte, unless `file` has another size. */
function begin(user: TestUser, conversationId: string, file: Partial<RequestUpload> = {}): Promise<UploadReady> {
  const request = { conversationId, fileName: 'a.bin', mimeType: OCTETS, size: 1, ...file };
  return user.request('file:request-upload', request);
}

/** Uploads a file, attaches it to a message, and returns its path. */
async function share(
  { server, victim, conversationId }: { server: AttackedServer; victim: TestUser; conversationId: string },
  bytes: Uint8Array<ArrayBuffer>,
  { mimeType = OCTETS, fileName = 'a.bin' } = {},
): Promise<string> {
  const { uploadUrl, key } = await begin(victim, conversationId, { size: bytes.length, mimeType, fileName });
  const response = await fetch(server.url + uploadUrl, { method: 'PUT', body: bytes });
  expect([response.status, await response.text()]).toEqual([200, JSON.stringify({ url: key })]);
  const attachment = { url: key, mimeType, fileName, fileSize: bytes.length };
  await victim.request('message:send', { conversationId, content: '', type: 'file', attachment });
  return key;
}

const idOf = (path: string): string => path.split('/')[3] ?? '';

/** Begins a request whose path is sent as it is: `fetch` would resolve dots. */
function raw(
  server: AttackedServer,
  method: string,
  path: string,
  headers: Record<string, string> = {},
): ClientRequest {
  const { hostname, port } = new URL(server.url);
  return httpRequest({ hostname, port, method, path, headers, agent: false }).on('error', () => undefined);
}

/** Waits for the answer. @returns status and body, or `closed` */
async function answerOf(request: ClientRequest): Promise<[number | undefined, string] | 'closed'> {
  try {
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    return [response.statusCode, await text(response)];
  } catch {
    return 'closed';
  }
}

/** All files below a directory, with their sizes. */
async function tree(directory: string): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isFile()) found.set(path, (await stat(path)).size);
  }
  return found;
}

function countUploads(database: string): number {
  const db = new DatabaseSync(database);
  try {
    db.exec('PRAGMA busy_timeout = 60000');
    return Number(db.prepare('select count(*) as count from comm_files').get()?.['count']);
  } finally {
    db.close();
  }
}

const TRAVERSALS = [
  '/__nk_comm/files/../../../../etc/passwd',
  '/__nk_comm/files/..%2f..%2f..%2fetc%2fpasswd/a',
  '/__nk_comm/files/%2e%2e/%2e%2e/etc/passwd',
  '/__nk_comm/files/..\\..\\etc\\passwd/a',
  `/__nk_comm/files/${UNKNOWN_ID}/../../../comm.sqlite`,
  `/__nk_comm/files/${UNKNOWN_ID}%00/a`,
  '/__nk_comm/files/------------------------------------/a',
  '/__nk_comm/uploads/../../../../tmp/evil/key',
  '/__nk_comm/uploads/..%2f..%2ftmp%2fevil/key',
  `/__nk_comm/uploads/${UNKNOWN_ID}/..%2f..%2fkey`,
];

describe('an outsider', () => {
  test('can neither read nor change files of others, nor learn which exist', async () => {
    const chat = await startChat();
    const { server, victim, conversationId } = chat;
    await using _ = server;
    await using mallory = await server.connect('mallory');
    const path = await share(chat, Buffer.from('secret'));
    const upload = await begin(victim, conversationId);
    const { id: own } = await mallory.request('conversation:create', { type: 'group', participantIds: [] });

    const bearer = { authorization: `Bearer ${await server.token('mallory')}` };
    const answers = async (id: string): Promise<unknown[]> => {
      const file = path.replace(idOf(path), id);
      const upload = `/__nk_comm/uploads/${id}/${'a'.repeat(43)}`;
      const attachment = { url: file, mimeType: OCTETS, fileName: 'a.bin', fileSize: 6 };
      const message = { conversationId: own, content: '', type: 'file', attachment } as const;
      const send = (method: string, at: string, headers: Record<string, string> = {}) =>
        answerOf(raw(server, method, at, headers).end(method.startsWith('P') ? 'x' : undefined));
      return [
        await send('GET', file, bearer),
        await send('HEAD', file, bearer),
        await send('DELETE', file, bearer),
        await send('GET', file),
        await mallory.request('file:sign', { fileIds: [id] }).then(({ files }) => files),
        await mallory.request('message:send', message).catch((error: unknown) => String(error)),
        await send('PUT', upload),
        await send('HEAD', upload, PATCH_HEADERS),
        await send('PATCH', upload, { ...PATCH_HEADERS, 'upload-offset': '0' }),
        await send('DELETE', upload, PATCH_HEADERS),
      ];
    };
    const ofUnknown = await answers(UNKNOWN_ID);
    expect(await answers(idOf(path))).toEqual(ofUnknown);
    expect(await answers(upload.fileId)).toEqual(ofUnknown);
    await expect(begin(mallory, conversationId)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect((await fetch(server.url + upload.uploadUrl, { method: 'PUT', body: 'x' })).status).toBe(200);
    expect(await (await server.rest('victim', path.slice('/__nk_comm'.length))).text()).toBe('secret');
  });

  test('can not use a signature for another file, another user or a later time', async () => {
    const chat = await startChat();
    const { server, victim } = chat;
    await using _ = server;
    await using mallory = await server.connect('mallory');
    const [one, other] = [await share(chat, Buffer.from('one')), await share(chat, Buffer.from('other'))];
    const { files } = await victim.request('file:sign', { fileIds: [idOf(one)] });
    const signed = new URL(files[0]?.url ?? '', server.url);
    const { id } = await mallory.request('conversation:create', { type: 'group', participantIds: [] });
    const own = await share({ server, victim: mallory, conversationId: id }, Buffer.from('own'));
    const { files: owns } = await mallory.request('file:sign', { fileIds: [idOf(own)] });
    const grant = new URL(owns[0]?.url ?? '', server.url).search;

    const load = async (url: URL | string): Promise<number> => {
      const response = await fetch(url);
      await response.arrayBuffer();
      return response.status;
    };
    const changed = (change: (url: URL) => void): Promise<number> => {
      const url = new URL(signed);
      change(url);
      return load(url);
    };
    const signature = signed.searchParams.get('signature') ?? '';
    expect(await load(signed)).toBe(200);
    expect(await load(`${server.url}${one}${grant}`)).toBe(401);
    expect(await changed((url) => (url.pathname = other))).toBe(401);
    expect(await changed((url) => url.searchParams.set('user', 'mallory'))).toBe(401);
    expect(await changed((url) => url.searchParams.append('user', 'mallory'))).toBe(401);
    expect(await changed((url) => url.searchParams.set('expires', '99999999999'))).toBe(401);
    expect(await changed((url) => url.searchParams.set('signature', signature.slice(0, -1)))).toBe(401);
    expect(await changed((url) => url.searchParams.set('signature', signature.toLowerCase()))).toBe(401);
  });

  test('reaches no file outside of the storage by a path', async () => {
    await using server = await startAttackedServer();
    const authorization = `Bearer ${await server.token('mallory')}`;
    const headers = { authorization, ...PATCH_HEADERS, 'upload-offset': '0' };
    for (const path of TRAVERSALS) {
      for (const method of ['GET', 'PUT', 'PATCH', 'DELETE', 'HEAD']) {
        const body = method.startsWith('P') ? 'evil' : undefined;
        const answer = await answerOf(raw(server, method, path, headers).end(body));
        expect([path, method, answer[0]]).toEqual([path, method, 404]);
      }
    }
    const created = [...(await tree(server.directory)).keys()];
    expect(created.filter((file) => !file.includes('comm.sqlite'))).toEqual([]);
  });
});

describe('a member', () => {
  test('can name a file like a path, and it is stored under an id', async () => {
    const chat = await startChat();
    await using server = chat.server;
    const names = [
      '../../../../tmp/evil',
      '/etc/passwd',
      '..',
      'a\0b',
      'C:\\evil.exe',
      '\u202Efdp.exe',
      'a'.repeat(255),
    ];
    const ids: string[] = [];
    for (const fileName of names) {
      const path = await share(chat, Buffer.from('text'), { fileName });
      ids.push(idOf(path));
      const response = await server.rest('friend', path.slice('/__nk_comm'.length));
      expect(await response.text()).toBe('text');
    }
    const stored = [...(await tree(`${server.directory}/files`)).keys()];
    const expected = ids.map((id) => join(server.directory, 'files', id.slice(0, 2), id));
    expect(stored.toSorted()).toEqual(expected.toSorted());
  });

  test('who sends more bytes than announced is stopped before they are stored', async () => {
    const { server, victim, conversationId } = await startChat();
    await using _ = server;
    const { uploadUrl } = await begin(victim, conversationId, { size: 10 });
    const chunk = Buffer.alloc(MEGABYTE);
    const flood = async (method: string, headers: Record<string, string>): Promise<void> => {
      const request = raw(server, method, uploadUrl, headers);
      const answer = answerOf(request);
      const state = { ended: false };
      void answer.finally(() => (state.ended = true));
      for (let sent = 0; sent < 500 && !state.ended; sent += 1) {
        if (!request.write(chunk)) await Promise.race([once(request, 'drain').catch(() => undefined), answer]);
      }
      expect(state.ended).toBe(true);
      const found = await answer;
      expect(found === 'closed' ? 413 : found[0]).toBe(413);
      request.destroy();
    };
    const cost = await server.attack(async () => {
      await flood('PUT', {});
      await flood('PATCH', { ...PATCH_HEADERS, 'upload-offset': '0' });
      await flood('PUT', { 'content-length': String(600 * MEGABYTE) });
    });
    const bytes = [...(await tree(`${server.directory}/files`)).values()];
    expect(Math.max(0, ...bytes)).toBeLessThanOrEqual(10);
    expect(cost.peakBytes).toBeLessThan(150 * MEGABYTE);
  });

  test('can not go on at an offset that is not the number of stored bytes', async () => {
    const { server, victim, conversationId } = await startChat();
    await using _ = server;
    const { uploadUrl } = await begin(victim, conversationId, { size: 10 });
    const patch = async (offset: string): Promise<unknown> => {
      const headers = { ...PATCH_HEADERS, 'upload-offset': offset };
      return (await answerOf(raw(server, 'PATCH', uploadUrl, headers).end('12345')))[0];
    };
    expect([await patch('1'), await patch('999999999999999'), await patch('1e1'), await patch('-0')]).toEqual([
      409, 409, 400, 400,
    ]);
    expect([await patch('0'), await patch('0'), await patch('5'), await patch('5')]).toEqual([204, 409, 204, 409]);
  });

  test('can not replace bytes that were checked, by a request that overtakes one that has not ended', async () => {
    const { server, victim, conversationId } = await startChat();
    await using _ = server;
    const size = PNG.length;
    for (const evilSize of [size - 1, size]) {
      const { uploadUrl, key, fileId } = await begin(victim, conversationId, { mimeType: 'image/png', size });
      const first = raw(server, 'PUT', uploadUrl);
      const answer = answerOf(first);
      first.write(PNG);
      await eventually(async () => {
        const bytes = [...(await tree(`${server.directory}/files`))].find(([path]) => path.endsWith(fileId));
        expect(bytes?.[1]).toBe(size);
      });
      // Ends the first request, after which the server checks and stores its bytes.
      const evil = Buffer.alloc(evilSize, HTML);
      expect(await answerOf(raw(server, 'PUT', uploadUrl).end(evil))).toEqual([200, JSON.stringify({ url: key })]);
      expect(['closed', 409]).toContain(await answer.then((ended) => (ended === 'closed' ? ended : ended[0])));
      first.destroy();
      const attachment = { url: key, mimeType: 'image/png', fileName: 'a.bin', fileSize: size };
      await victim.request('message:send', { conversationId, content: '', type: 'image', attachment });
      const headers = { range: `bytes=0-${size - 1}` };
      const response = await server.rest('friend', key.slice('/__nk_comm'.length), { headers });
      expect(response.status).toBe(206);
      expect(Buffer.compare(Buffer.from(await response.arrayBuffer()), PNG)).toBe(0);
    }
  });

  const HTML = '<html><script>alert(1)</script></html>';
  const ZIP = Buffer.from('504b0304140000000000', 'hex');
  const PDF = Buffer.from(`%PDF-1.7\n1 0 obj<</OpenAction<</S/JavaScript/JS(app.alert(1))>>>>endobj ${HTML}`);
  const ENTRIES = [
    ['HTML', 'text/html', Buffer.from(HTML), 'saved'],
    ['XHTML', 'application/xhtml+xml', Buffer.from(HTML), 'saved'],
    ['an SVG', 'image/svg+xml', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>'), 'saved'],
    ['an SVG in capitals', 'IMAGE/SVG+XML', Buffer.from('<svg onload="alert(1)"/>'), 'saved'],
    ['a stylesheet', 'text/css', Buffer.from('* { background: url(//evil.example) }'), 'saved'],
    ['a script', 'text/javascript', Buffer.from('alert(1)'), 'saved'],
    ['an archive', 'application/zip', ZIP, 'saved'],
    ['a PNG followed by HTML', 'image/png', Buffer.concat([PNG, Buffer.from(HTML)]), 'shown'],
    ['a PNG followed by an archive', 'image/png', Buffer.concat([PNG, ZIP]), 'shown'],
    ['a GIF that is a script', 'image/gif', Buffer.from('GIF89a/*0000*/=1;alert(1)'), 'shown'],
    ['a PDF with a script', 'application/pdf', PDF, 'shown'],
    ['HTML as a PNG', 'image/png', Buffer.from(HTML), 'refused'],
    ['an archive as a PNG', 'image/png', ZIP, 'refused'],
    ['HTML as a PDF', 'application/pdf', Buffer.from(HTML), 'refused'],
    ['HTML as a video', 'video/mp4', Buffer.from(HTML), 'refused'],
    ['an archive as text', 'text/plain', ZIP, 'refused'],
  ] as const;
  test('can send no file that a browser executes in the origin of the server', async () => {
    const chat = await startChat();
    const { server, victim, conversationId } = chat;
    await using _ = server;
    for (const [name, mimeType, bytes, expected] of ENTRIES) {
      const { uploadUrl, key, fileId } = await begin(victim, conversationId, { mimeType, size: bytes.length });
      const put = await fetch(server.url + uploadUrl, { method: 'PUT', body: bytes });
      await put.arrayBuffer();
      expect([name, put.status]).toEqual([name, expected === 'refused' ? 415 : 200]);
      if (expected === 'refused') continue;
      const { files } = await victim.request('file:sign', { fileIds: [fileId] });
      expect(files).toHaveLength(1);
      const response = await fetch(server.url + (files[0]?.url ?? key));
      await response.arrayBuffer();
      const { headers } = response;
      const disposition = headers.get('content-disposition')?.split(';')[0];
      const type = headers.get('content-type');
      expect([name, disposition, type]).toEqual(
        expected === 'saved' ? [name, 'attachment', OCTETS] : [name, 'inline', mimeType],
      );
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('content-security-policy')).toMatch(/^sandbox; default-src 'none'/);
    }
  });

  test('who begins ten thousand uploads gets a hundred, and others are served', async () => {
    const { server, conversationId, victim } = await startChat();
    await using _ = server;
    const cost = await server.attack(async () => {
      await Promise.allSettled(Array.from({ length: 10_000 }, () => begin(victim, conversationId)));
    });
    // Not all answers arrive: a user who goes on in spite of refusals is disconnected.
    const begun = countUploads(`${server.directory}/comm.sqlite`);
    expect(begun).toBeGreaterThan(0);
    expect(begun).toBeLessThanOrEqual(100);
    expect(cost.served).toBeGreaterThan(0);
    expect(cost.peakBytes).toBeLessThan(150 * MEGABYTE);
  });

  test('may announce a gigabyte a day', async () => {
    const { server, conversationId, victim } = await startChat();
    await using _ = server;
    const file = { size: 100 * MEGABYTE };
    for (let time = 0; time < 10; time += 1) await begin(victim, conversationId, file);
    await expect(begin(victim, conversationId, file)).rejects.toMatchObject({ code: 'RATE_LIMITED' });
    await using friend = await server.connect('friend');
    expect(await begin(friend, conversationId, file)).toHaveProperty('uploadUrl');
  });

  test('who sends a hundred bodies without ending them holds up no other user', async () => {
    const { server, conversationId, victim } = await startChat();
    await using _ = server;
    await using friend = await server.connect('friend');
    const uploads = await Promise.all(
      Array.from({ length: 100 }, () => begin(victim, conversationId, { size: 1_000 })),
    );
    const requests: ClientRequest[] = [];
    const cost = await server.attack(async () => {
      const statuses: unknown[] = [];
      await new Promise<void>((resolve) => {
        for (const { uploadUrl } of uploads) {
          const request = raw(server, 'PATCH', uploadUrl, { ...PATCH_HEADERS, 'upload-offset': '0' });
          requests.push(request);
          request.write('x');
          void answerOf(request).then((answer) => {
            statuses.push(answer[0]);
            // The other 32 are being received.
            if (statuses.length === 68) resolve();
          });
        }
      });
      expect(statuses).toContain(429);
      const { uploadUrl } = await begin(friend, conversationId);
      expect((await fetch(server.url + uploadUrl, { method: 'PUT', body: 'x' })).status).toBe(200);
    });
    for (const request of requests) request.destroy();
    expect(cost.peakBytes).toBeLessThan(150 * MEGABYTE);
  });

  test('who reads nothing of 32 downloads takes up little memory', async () => {
    const chat = await startChat();
    await using server = chat.server;
    const path = await share(chat, Buffer.alloc(50 * MEGABYTE));
    const authorization = `Bearer ${await server.token('friend')}`;
    const requests: ClientRequest[] = [];
    const cost = await server.attack(async () => {
      const heads = Array.from({ length: 32 }, async () => {
        const request = raw(server, 'GET', path, { authorization });
        requests.push(request);
        request.end();
        const [response] = (await once(request, 'response')) as [IncomingMessage];
        response.pause();
        return response.statusCode;
      });
      const statuses = await Promise.all(heads);
      // Requests beyond the unread output of a user are refused.
      expect(statuses.filter((status) => status !== 200 && status !== 429)).toEqual([]);
      expect(statuses).toContain(200);
      expect((await server.rest('victim', path.slice('/__nk_comm'.length), { method: 'HEAD' })).status).toBe(200);
    });
    for (const request of requests) request.destroy();
    expect(cost.peakBytes).toBeLessThan(150 * MEGABYTE);
  });
});
