import { createHash } from 'node:crypto';
import type { UploadParts, UploadReady } from '../../../src/protocol/files.ts';
import { patientClock } from '../client/patient-clock.ts';
import { startFileServer, type FileServer } from './files.ts';
import { startS3Rig, type S3Rig } from './s3-server.ts';

export const MIB = 1_024 * 1_024;
export const PART = 8 * MIB;
/** Two parts and the start of another. */
export const LARGE = Buffer.concat(Array.from({ length: 17 }, (_, at) => Buffer.alloc(MIB, at)));
export const HELLO = Buffer.from('hello, file');

export const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Returns the status and the code of an error. */
export async function codeOf(response: Response): Promise<[number, string]> {
  const { error } = (await response.json()) as { error: { code: string } };
  return [response.status, error.code];
}

/** A server whose clients send files to a bucket. */
export interface Direct extends AsyncDisposable {
  readonly rig: S3Rig;
  readonly files: FileServer;
  /** Begins an upload to the bucket. */
  begin(bytes: Uint8Array, mimeType?: string): Promise<UploadReady & { parts: UploadParts }>;
  /** Asks the server for the state of an upload. */
  ask(ready: UploadReady): Promise<Response>;
  /** Sends one part to the bucket. */
  put(parts: UploadParts, number: number, bytes: Uint8Array): Promise<number>;
}

export async function startDirect(options: Parameters<typeof startFileServer>[0] = {}): Promise<Direct> {
  const rig = await startS3Rig();
  // The server waits for the bucket as long as a slow machine takes.
  const clock = patientClock({ speed: 0.05 });
  const files = await startFileServer({ clock, ...options, files: { backend: rig.openDirect(), ...options.files } });
  return {
    rig,
    files,
    async begin(bytes, mimeType = 'application/octet-stream') {
      const ready = await files.begin({ size: bytes.length, mimeType });
      if (ready.parts === undefined) throw new Error('the upload has no parts');
      return { ...ready, parts: ready.parts };
    },
    ask: ({ uploadUrl }) => fetch(files.url + uploadUrl),
    async put({ partBytes, missing }, number, bytes) {
      const url = missing.find((part) => part.number === number)?.url ?? '';
      const body = Buffer.from(bytes.subarray((number - 1) * partBytes, number * partBytes));
      const response = await fetch(url, { method: 'PUT', body });
      await response.arrayBuffer();
      return response.status;
    },
    async [Symbol.asyncDispose]() {
      await files[Symbol.asyncDispose]();
      await rig[Symbol.asyncDispose]();
    },
  };
}

export const partsIn = async (response: Response): Promise<UploadParts> => (await response.json()) as UploadParts;

/** Aborts the only upload, as a lifecycle rule does. */
export async function abortInBucket({ server }: S3Rig, { missing }: UploadParts): Promise<void> {
  const [uploadId = ''] = await server.uploads();
  await fetch(`${missing[0]?.url.split('?')[0] ?? ''}?uploadId=${uploadId}`, { method: 'DELETE' });
}
