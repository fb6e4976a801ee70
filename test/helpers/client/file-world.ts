import { createHash } from 'node:crypto';
import { onTestFinished } from 'vitest';
import type { CommClientOptions } from '../../../src/index.ts';
import { seededRandom } from '../../../src/lib/seeded-random.ts';
import type { CommServerOptions, FilesOptions, ServerHooks } from '../../../src/server/index.ts';
import { temporaryDirectory } from '../temporary-directory.ts';
import type { App } from './app.ts';
import { group, startWorld, type World } from './world.ts';

export const MIB = 1_024 * 1_024;

/** A server with files, and a group of alice and bob. */
export async function startFiles(
  files: Partial<FilesOptions> = {},
  options: CommClientOptions = {},
  hooks: ServerHooks = {},
  serverOptions: CommServerOptions = {},
): Promise<World & { alice: App; bob: App; conversationId: string }> {
  const directory = await temporaryDirectory();
  const world = await startWorld({ ...serverOptions, files: { backend: directory.path, ...files }, hooks });
  onTestFinished(() => directory[Symbol.asyncDispose]());
  const bob = await world.join('bob');
  const alice = await world.join('alice', options);
  return { ...world, alice, bob, conversationId: await group(alice, bob) };
}

export function bytesOf(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  const random = seededRandom(seed);
  return Uint8Array.from({ length }, () => random.between(0, 255));
}

export async function digestOf(blob: Blob): Promise<string> {
  return createHash('sha256')
    .update(new Uint8Array(await blob.arrayBuffer()))
    .digest('hex');
}

export interface Line {
  readonly fetch: typeof fetch;
  /** Bytes of bodies that were handed to the network. */
  sentBytes: number;
  cuts: number;
  /** The method and path of each request. */
  readonly requests: string[];
  /** Called when a connection is cut, before the client is told. */
  onCut: () => Promise<void>;
}

/** A `fetch` whose connections break after so many bytes of a body, in either direction, `times` times. */
export function breakingLine(afterBytes: number, times = Infinity): Line {
  const line: Line = {
    sentBytes: 0,
    cuts: 0,
    requests: [],
    onCut: () => Promise.resolve(),
    async fetch(url, init = {}) {
      line.requests.push(`${init.method ?? 'GET'} ${new URL(url as string).pathname}`);
      const { body } = init;
      if (body instanceof Blob) {
        line.sentBytes += Math.min(body.size, afterBytes);
        if (body.size <= afterBytes || line.cuts >= times) return await fetch(url, init);
        line.cuts += 1;
        return await fetch(url, { ...init, body: await brokenBody(body, afterBytes), duplex: 'half' } as RequestInit);
      }
      const response = await fetch(url, init);
      const { status, headers } = response;
      const isLarge = Number(headers.get('content-length')) > afterBytes;
      if (init.method !== undefined || !isLarge || line.cuts >= times) return response;
      line.cuts += 1;
      return new Response(await brokenBody(await response.blob(), afterBytes), { status, headers });
    },
  };
  const brokenBody = async (body: Blob, bytes: number): Promise<ReadableStream> => {
    const first = new Uint8Array(await body.slice(0, bytes).arrayBuffer());
    let given = false;
    return new ReadableStream({
      async pull(controller) {
        if (!given) {
          given = true;
          controller.enqueue(first);
          return;
        }
        await line.onCut();
        controller.error(new Error('the line is cut'));
      },
    });
  };
  return line;
}

export interface HeldLine {
  readonly fetch: typeof fetch;
  readonly open: () => void;
  /** The method of each request. */
  readonly requests: string[];
  /** Sizes of the bodies that were let through. */
  readonly passed: number[];
  /** Resolves when a body waits. */
  readonly waiting: Promise<void>;
}

/** A `fetch` whose requests with a body wait until the line is opened. @param free - bodies that are let through before */
export function heldLine(free = 0): HeldLine {
  let open = (): void => undefined;
  let waits = (): void => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  const waiting = new Promise<void>((resolve) => (waits = resolve));
  const requests: string[] = [];
  const passed: number[] = [];
  let left = free;
  return {
    open,
    requests,
    passed,
    waiting,
    async fetch(url, init = {}) {
      requests.push(init.method ?? 'GET');
      if (init.body !== undefined && (left -= 1) < 0) {
        waits();
        const aborted = new Promise((_, reject) =>
          init.signal?.addEventListener('abort', () => reject(new Error('aborted'))),
        );
        await Promise.race([opened, aborted]);
      }
      if (init.body instanceof Blob) passed.push(init.body.size);
      return await fetch(url, init);
    },
  };
}

/** Makes every backoff as short as possible. */
export const eager = {
  number: () => 0,
  bytes: (length: number) => crypto.getRandomValues(new Uint8Array(length)),
};
