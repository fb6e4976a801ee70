import { writeFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { seededRandom } from '../../../../src/lib/seeded-random.ts';
import type { MessageAttachment } from '../../../../src/index.ts';
import { encrypting, serverSees } from '../../../helpers/client/encryption.ts';
import { type SealedWorld, startSealed } from '../../../helpers/client/sealed-world.ts';
import { PNG } from '../../../helpers/server/files.ts';

const MIB = 1_024 * 1_024;

function bytesOf(length: number): Uint8Array<ArrayBuffer> {
  const random = seededRandom(length);
  return Uint8Array.from({ length }, () => random.between(0, 255));
}

async function bytesIn(blob: Blob): Promise<Buffer> {
  return Buffer.from(await blob.arrayBuffer());
}

/** Uploads a file of alice and sends it encrypted. @returns the attachment that bob receives */
async function send({ alice, bob, conversationId }: SealedWorld, file: File): Promise<MessageAttachment> {
  const attachment = await alice.client.files.upload(file, { conversationId });
  await alice.client.messages.send({ conversationId, content: 'the plan', attachment, encrypt: true });
  const received = await bob.next('message:new', ({ content }) => content === 'the plan');
  expect(received.attachment).toEqual(attachment);
  return attachment;
}

test('a file is sealed before it is uploaded: the server learns the size, and nothing else', async () => {
  const world = await startSealed();
  const bytes = bytesOf(3 * MIB + 5);
  const attachment = await send(world, new File([bytes], 'takeover.pdf', { type: 'application/pdf' }));
  expect(attachment).toMatchObject({ fileName: 'takeover.pdf', mimeType: 'application/pdf', fileSize: bytes.length });
  const loaded: [number, number][] = [];
  const blob = await world.bob.client.files.download(attachment, { onProgress: (...step) => loaded.push(step) });
  expect(Buffer.compare(await bytesIn(blob), bytes)).toBe(0);
  expect(blob.type).toBe('application/pdf');
  expect(loaded.length).toBeGreaterThan(0);

  const seen = await serverSees(world.server);
  for (const hidden of ['takeover', 'application/pdf', attachment.keys?.key ?? '?', attachment.keys?.sha256 ?? '?']) {
    expect(seen).not.toContain(hidden);
  }
  const sealedSize = bytes.length + 16 * Math.ceil(bytes.length / 65_536);
  expect(seen).toContain(`"mimeType":"application/octet-stream","fileName":"file","fileSize":${sealedSize}`);
  const [sealed] = (await world.stored()).values();
  expect(sealed?.length).toBe(sealedSize);
  expect(sealed?.includes(Buffer.from(bytes.subarray(0, 16)))).toBe(false);
});

test('progress counts the bytes of the file', async () => {
  const { alice, conversationId } = await startSealed();
  const steps: [number, number][] = [];
  const onProgress = (...step: [number, number]): void => void steps.push(step);
  await alice.client.files.upload(new Blob([bytesOf(2 * MIB)]), { conversationId, onProgress });
  expect(steps.at(-1)).toEqual([2 * MIB, 2 * MIB]);
  expect(steps.every(([done, total]) => done <= total && total === 2 * MIB)).toBe(true);
});

test.each<[string, (bytes: Buffer) => Buffer]>([
  ['one bit', (bytes) => Buffer.from(bytes.with(70_000, (bytes[70_000] ?? 0) ^ 1))],
  [
    'the order of its segments',
    (bytes) => Buffer.concat([bytes.subarray(65_552, 131_104), bytes.subarray(0, 65_552), bytes.subarray(131_104)]),
  ],
  [
    'its last segment, which is another file of the same length',
    (bytes) => Buffer.concat([bytes.subarray(0, -50), Buffer.alloc(50)]),
  ],
])('a file of which the server changes %s is not handed out', async (_, change) => {
  const world = await startSealed();
  const attachment = await send(world, new File([bytesOf(200_000)], 'plan.txt'));
  for (const [path, bytes] of await world.stored()) await writeFile(path, change(bytes));
  const loading = world.bob.client.files.download(attachment);
  await expect(loading).rejects.toMatchObject({ code: 'E2EE_DECRYPTION_FAILED' });
});

test('the bytes of another sealed file are not handed out', async () => {
  const world = await startSealed();
  const one = await send(world, new File([bytesOf(1_000)], 'one.txt'));
  const other = await send(world, new File([bytesOf(1_000)], 'other.txt'));
  const { files } = world.bob.client;
  expect(await bytesIn(await files.download(one))).toEqual(Buffer.from(bytesOf(1_000)));
  await expect(files.download({ ...one, url: other.url })).rejects.toMatchObject({ code: 'E2EE_DECRYPTION_FAILED' });
});

test('an upload and a download continue after their connections were cut', async () => {
  let cuts = 0;
  const cutting: typeof fetch = async (url, init = {}) => {
    const { body } = init;
    if (body instanceof Blob && body.size > 100_000 && cuts < 2) {
      cuts += 1;
      // The server has the first bytes, and no answer arrives.
      await fetch(url, { ...init, body: body.slice(0, 100_000) });
      throw new TypeError('the line is cut');
    }
    const response = await fetch(url, init);
    if (init.method !== undefined || !response.ok || cuts >= 5) return response;
    cuts += 1;
    const part = new Uint8Array(await response.arrayBuffer()).subarray(0, 200_001);
    let isGiven = false;
    const broken = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (isGiven) controller.error(new Error('the line is cut'));
        else controller.enqueue(part);
        isGiven = true;
      },
    });
    return new Response(broken, { status: response.status, headers: response.headers });
  };
  const eager = {
    number: () => 0,
    bytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)),
  };
  const world = await startSealed({ fetch: cutting, random: eager });
  const bytes = bytesOf(2 * MIB);
  const attachment = await send(world, new File([bytes], 'plan.txt'));
  expect(cuts).toBe(2);
  const blob = await world.alice.client.files.download(attachment);
  expect(cuts).toBe(5);
  expect(Buffer.compare(await bytesIn(blob), bytes)).toBe(0);
});

test('a sealed file can be read by members only, and only while its message is not deleted', async () => {
  const world = await startSealed();
  const { alice, bob, conversationId } = world;
  const carl = await encrypting(world, 'carl');
  const attachment = await send(world, new File(['x'], 'plan.txt'));
  await expect(carl.client.files.download(attachment)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  const { messages } = await alice.client.messages.list({ conversationId });
  const deleted = bob.next('message:deleted');
  await alice.client.messages.delete({ conversationId, messageId: messages[0]?.id ?? '' });
  await deleted;
  await expect(bob.client.files.download(attachment)).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('the keys of a sealed file are never sent in a message that is not encrypted', async () => {
  const world = await startSealed();
  const { alice, conversationId } = world;
  const attachment = await alice.client.files.upload(new File([PNG], 'a.png', { type: 'image/png' }), {
    conversationId,
  });
  const sending = alice.client.messages.send({ conversationId, content: '', attachment });
  await expect(sending).rejects.toMatchObject({
    code: 'INVALID',
    fix: expect.stringContaining('encrypt: true') as string,
  });
  expect(await serverSees(world.server)).not.toContain(attachment.keys?.key);
});

test('a sealed file is refused in a readable message before its keys are stored', async () => {
  const { alice, conversationId } = await startSealed();
  const attachment = await alice.client.files.upload(new Blob(['x']), { conversationId });
  await alice.client.disconnect();
  const sending = alice.client.messages.send({ conversationId, content: '', attachment });
  await expect(sending).rejects.toMatchObject({ code: 'INVALID' });
  expect(alice.client.messages.outbox()).toEqual([]);
});

test('a file of the server that is not sealed is refused in an encrypted message', async () => {
  const { alice, bob, conversationId } = await startSealed();
  const upload = (encrypt: boolean) => alice.client.files.upload(new Blob(['x']), { conversationId, encrypt });
  const [sealed, readable] = [await upload(true), await upload(false)];
  const send = (attachment: MessageAttachment) =>
    alice.client.messages.send({ conversationId, content: 'x', attachment, encrypt: true });
  const refused = { code: 'INVALID', fix: expect.stringContaining('thumbnailKeys') as string };
  await expect(send(readable)).rejects.toMatchObject(refused);
  await expect(send({ ...sealed, thumbnailUrl: readable.url })).rejects.toMatchObject(refused);
  const elsewhere = { ...readable, url: 'https://example.com/a.bin' };
  await send(elsewhere);
  expect((await bob.next('message:new')).attachment).toEqual(elsewhere);
});

test('a file that is not sealed is refused when its conversation has required encryption since it was queued', async () => {
  const { alice, conversationId } = await startSealed();
  const attachment = await alice.client.files.upload(new Blob(['x']), { conversationId, encrypt: false });
  await alice.client.disconnect();
  const pending = alice.client.messages.send({ conversationId, content: '', attachment });
  pending.catch(() => undefined);
  await alice.next('message:pending');
  await alice.client.encryption.setRequired(conversationId, true);
  await alice.client.connect();
  await expect(pending).rejects.toMatchObject({ code: 'INVALID' });
});

test('a thumbnail is sealed with keys of its own, and named for the server', async () => {
  const world = await startSealed();
  const { alice, bob, conversationId } = world;
  const upload = (text: string) => alice.client.files.upload(new Blob([text]), { conversationId });
  const [picture, thumbnail] = [await upload('picture'), await upload('thumbnail')];
  const attachment = { ...picture, thumbnailUrl: thumbnail.url, thumbnailKeys: thumbnail.keys };
  await alice.client.messages.send({ conversationId, content: '', attachment, encrypt: true });
  const received = (await bob.next('message:new')).attachment;
  const { thumbnailUrl: url = '', thumbnailKeys: keys } = received ?? {};
  const { files } = bob.client;
  expect(await (await files.download({ ...thumbnail, url, keys })).text()).toBe('thumbnail');
});

test('an encrypted file has no URL for a page, and wrong use is a TypeError', async () => {
  const world = await startSealed();
  const { alice, conversationId } = world;
  const attachment = await alice.client.files.upload(new Blob(['x']), { conversationId });
  await expect(alice.client.files.url(attachment)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  const readable = await alice.client.files.upload(new Blob(['x']), { conversationId, encrypt: false });
  expect(readable).not.toHaveProperty('keys');
  expect(await alice.client.files.url(readable)).toMatch(/^http/);
  const carl = await world.join('carl');
  const { files } = carl.client;
  await expect(files.upload(new Blob(['x']), { conversationId, encrypt: true })).rejects.toThrow(TypeError);
  await expect(files.download(attachment)).rejects.toThrow(TypeError);
});
