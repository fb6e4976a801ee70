/** Measures files against a bare copy by node:http, and sealed files against AES-GCM alone. */
import { openAsBlob } from 'node:fs';
import { open } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { MessageAttachment } from 'lumen-comm';
import { commClient } from './sides.ts';
import { AttachmentDecryptor, encryptAttachment } from '../../src/client/encryption/nkc1/attachment-cipher.ts';
import { inPairs, type Result } from './measure.ts';
import { startProcess, type ServerProcess } from './process.ts';

const MIB = 1_024 * 1_024;
const CHUNK = 4 * MIB;
const SEGMENT = 65_536;
/** What client and server may need above idle while a file is transferred. */
const HEAP_KB = 100 * 1_024;

interface Sizes {
  readonly rounds: number;
  /** Bytes of the file. */
  readonly fileBytes: number;
}

export async function files(directory: string, { rounds, fileBytes }: Sizes): Promise<Result[]> {
  const source = path.join(directory, 'source');
  await fill(source, fileBytes);
  const blob = await openAsBlob(source);
  await using lumen = await startProcess('./comm-child.ts', `${directory}/files.sqlite`, `${directory}/files`);
  await using bare = await startProcess('./copy-child.ts', `${directory}/copy`);
  await using synced = await startProcess('./copy-child.ts', `${directory}/synced`, 'sync');
  await using client = commClient(lumen.url, 'alice');
  await client.connect();
  const { id: conversationId } = await client.conversations.create({ type: 'group', participantIds: [] });
  const upload = (): Promise<MessageAttachment> => client.files.upload(blob, { conversationId });
  const copy = async ({ url }: ServerProcess): Promise<void> => {
    const response = await fetch(url, { method: 'PUT', body: blob });
    await response.arrayBuffer();
  };

  const uploaded: MessageAttachment[] = [];
  const processor = { lumen: [] as number[], baseline: [] as number[] };
  const up = await inPairs(rounds, async (side) => {
    const server = side === 'lumen' ? lumen : bare;
    const before = await server.usage();
    const elapsed = await milliseconds(async () => {
      if (side === 'lumen') uploaded.push(await upload());
      else await copy(bare);
    });
    processor[side].push((await server.usage()).processorMs - before.processorMs);
    return elapsed;
  });
  // Without the warm-up round.
  const busy = processor.lumen.flatMap((ms, at) =>
    at === 0 ? [] : [{ lumen: ms, baseline: processor.baseline[at] ?? 0 }],
  );
  const durable = await inPairs(rounds, (side) =>
    milliseconds(async () => {
      if (side === 'lumen') await upload();
      else await copy(synced);
    }),
  );
  const durability = await inPairs(rounds, (side) => milliseconds(() => copy(side === 'lumen' ? synced : bare)));
  const [attachment = await upload()] = uploaded;
  const url = await client.files.url(attachment);
  const down = await inPairs(rounds, (side) => milliseconds(() => read(side === 'lumen' ? url : bare.url)));
  const asBlob = await inPairs(rounds, (side) =>
    milliseconds(async () => {
      if (side === 'lumen') await client.files.download(attachment);
      else await read(bare.url);
    }),
  );
  const heaps = await heapsDuring(lumen, upload);
  const size = `${fileBytes / MIB} MiB`;
  return [
    { name: `file of ${size} up, to a copy`, unit: 'ms', pairs: up, target: 1.3 },
    { name: `file of ${size} up, to a copy that is synced`, unit: 'ms', pairs: durable },
    { name: `copy of ${size} that is synced, to a copy`, unit: 'ms', pairs: durability },
    { name: `processor time of the server while ${size} go up, to a copy`, unit: 'ms', pairs: busy, target: 1.3 },
    { name: `file of ${size} down, to a copy`, unit: 'ms', pairs: down, target: 1.3 },
    { name: `file of ${size} down as a Blob, to a copy`, unit: 'ms', pairs: asBlob },
    { name: `heap of the client while ${size} go up, to 100 MiB`, unit: 'KB', pairs: [heaps.client], target: 1 },
    { name: `heap of the server while ${size} go up, to 100 MiB`, unit: 'KB', pairs: [heaps.server], target: 1 },
    ...(await sealing(rounds, blob.slice(0, fileBytes / 4))),
  ];
}

/** A file is encrypted and decrypted; the baseline is AES-256-GCM over segments of the same size. */
async function sealing(rounds: number, file: Blob): Promise<Result[]> {
  const random = (length: number): Uint8Array<ArrayBuffer> => crypto.getRandomValues(new Uint8Array(length));
  const key = await crypto.subtle.importKey('raw', random(32), 'AES-GCM', false, ['encrypt', 'decrypt']);
  const seal = await inPairs(rounds, (side) =>
    milliseconds(async () => {
      if (side === 'lumen') await encryptAttachment(file, random);
      else
        await inSegments(file, (segment) => crypto.subtle.encrypt({ name: 'AES-GCM', iv: random(12) }, key, segment));
    }),
  );
  const { ciphertext, secret } = await encryptAttachment(file, random);
  const iv = random(12);
  const segment = await crypto.subtle.encrypt({ name: 'AES-GCM', iv }, key, random(SEGMENT));
  const decrypt = await inPairs(rounds, (side) =>
    milliseconds(async () => {
      if (side === 'baseline') {
        await inSegments(file, () => crypto.subtle.decrypt({ name: 'AES-GCM', iv }, key, segment));
        return;
      }
      const decryptor = await AttachmentDecryptor.create(secret);
      for (let at = 0; at < ciphertext.size; at += CHUNK) {
        await decryptor.push(new Uint8Array(await ciphertext.slice(at, at + CHUNK).arrayBuffer()));
      }
      decryptor.end();
    }),
  );
  const size = `${file.size / MIB} MiB`;
  return [
    { name: `file of ${size} encrypted, to AES-GCM`, unit: 'ms', pairs: seal },
    { name: `file of ${size} decrypted, to AES-GCM`, unit: 'ms', pairs: decrypt },
  ];
}

async function inSegments(file: Blob, work: (segment: Uint8Array<ArrayBuffer>) => Promise<unknown>): Promise<void> {
  for (let at = 0; at < file.size; at += CHUNK) {
    const bytes = new Uint8Array(await file.slice(at, at + CHUNK).arrayBuffer());
    const segments = Array.from({ length: Math.ceil(bytes.length / SEGMENT) }, (_, index) =>
      work(bytes.subarray(index * SEGMENT, (index + 1) * SEGMENT)),
    );
    await Promise.all(segments);
  }
}

async function fill(file: string, bytes: number): Promise<void> {
  await using handle = await open(file, 'w');
  const chunk = new Uint8Array(CHUNK);
  for (let at = 0; at < CHUNK; at += SEGMENT) crypto.getRandomValues(chunk.subarray(at, at + SEGMENT));
  for (let at = 0; at < bytes; at += CHUNK) await handle.write(chunk);
}

/** Reads a response and discards it. */
async function read(url: string): Promise<void> {
  const { body } = await fetch(url);
  for await (const _ of body ?? []);
}

async function milliseconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

interface Heap {
  readonly lumen: number;
  readonly baseline: number;
}

/** The most that heap and buffers have grown, in KB, each after garbage collection. */
async function heapsDuring(
  server: ServerProcess,
  work: () => Promise<unknown>,
): Promise<{ client: Heap; server: Heap }> {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const own = (): number => {
    collect();
    const { heapUsed, external } = process.memoryUsage();
    return heapUsed + external;
  };
  const idle = { client: own(), server: (await server.usage()).heapBytes };
  const peak = { ...idle };
  const state = { isRunning: true };
  const sampling = (async () => {
    while (state.isRunning) {
      peak.client = Math.max(peak.client, own());
      peak.server = Math.max(peak.server, (await server.usage()).heapBytes);
      await setTimeout(50);
    }
  })();
  await work();
  state.isRunning = false;
  await sampling;
  const above = (each: 'client' | 'server'): Heap => ({ lumen: (peak[each] - idle[each]) / 1_024, baseline: HEAP_KB });
  return { client: above('client'), server: above('server') };
}
