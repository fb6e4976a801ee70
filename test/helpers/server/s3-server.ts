import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import S3rver from '@20minutes/s3rver';
import { s3Storage, type FileBackend, type S3Bucket } from '../../../src/server/index.ts';
import { S3Storage } from '../../../src/server/services/files/s3-storage.ts';
import type { Clock } from '../../../src/lib/clock.ts';
import { temporaryDirectory } from '../temporary-directory.ts';

/** An S3 server with one bucket, which checks signatures. */
export interface S3Server extends AsyncDisposable {
  readonly bucket: S3Bucket;
  /** The keys of all objects. */
  keys(): Promise<string[]>;
  /** The ids of multipart uploads that are neither complete nor aborted. */
  uploads(): Promise<string[]>;
  /**
   * Whether headers `x-amz-*` that a presigned URL does not cover are refused, as Amazon S3 does. s3rver accepts them.
   * @defaultValue true
   */
  refusesUnsignedHeaders: boolean;
  /**
   * Called with each request, before it is passed on.
   *
   * @returns `503`, `forbidden`, `invalid-part` or `close` to answer instead of the server; `hang` reads no body and never answers; `lose` executes the request and loses the answer;
   *   a task to run before the request is passed on
   */
  intercept: (
    request: IncomingMessage,
  ) => 503 | 'forbidden' | 'close' | 'lose' | 'hang' | 'invalid-part' | (() => Promise<unknown>) | undefined;
}

const CREDENTIALS = { accessKeyId: 'S3RVER', secretAccessKey: 'S3RVER' };

/** Starts the server behind a proxy that can fail. */
async function startS3Server(): Promise<S3Server> {
  const directory = await temporaryDirectory();
  const s3rver = new S3rver({
    address: '127.0.0.1',
    port: 0,
    silent: true,
    directory: directory.path,
    configureBuckets: [{ name: 'files' }],
  });
  const { port } = await s3rver.run();
  const proxy = createServer((incoming, outgoing) => {
    const answer = server.intercept(incoming);
    if (answer === 503) {
      incoming.resume();
      outgoing.writeHead(503).end('<Error><Code>SlowDown</Code></Error>');
    } else if (answer === 'invalid-part') {
      incoming.resume();
      outgoing.writeHead(400).end('<Error><Code>InvalidPart</Code></Error>');
    } else if (answer === 'forbidden') {
      incoming.resume();
      outgoing.writeHead(403).end('<Error><Code>AccessDenied</Code></Error>');
    } else if (answer === 'hang') incoming.pause();
    else if (answer === 'close') incoming.socket.destroy();
    else {
      const passed =
        typeof answer === 'function'
          ? answer().then(() => pass(incoming, outgoing, undefined))
          : pass(incoming, outgoing, answer);
      passed.catch(() => outgoing.destroy());
    }
  });
  /** s3rver neither lists the parts of an upload nor aborts one, and stores parts of uploads that don't exist. */
  const multiparts = path.join(directory.path, 'files', '._S3rver_uploads');
  const pass = async (
    incoming: IncomingMessage,
    outgoing: ServerResponse,
    answer: 'lose' | undefined,
  ): Promise<void> => {
    const { method, url = '/', headers } = incoming;
    const query = new URL(url, 'http://s3').searchParams;
    const uploadId = query.get('uploadId');
    const folder = uploadId === null ? undefined : path.join(multiparts, uploadId);
    if (server.refusesUnsignedHeaders && hasUnsignedHeader(headers, query)) {
      incoming.resume();
      outgoing.writeHead(403).end('<Error><Code>AccessDenied</Code></Error>');
    } else if (folder !== undefined && !(await exists(folder))) {
      incoming.resume();
      outgoing.writeHead(404).end('<Error><Code>NoSuchUpload</Code></Error>');
    } else if (folder !== undefined && method === 'GET') {
      outgoing.end(await listOfParts(folder, Number(query.get('part-number-marker'))));
    } else if (folder !== undefined && method === 'DELETE') {
      await rm(folder, { recursive: true });
      outgoing.writeHead(204).end();
    } else {
      const passed = request({ host: '127.0.0.1', port, method, path: url, headers }, (response) => {
        if (answer === 'lose') {
          response.resume();
          response.once('end', () => incoming.socket.destroy());
          return;
        }
        outgoing.writeHead(response.statusCode ?? 502, response.headers);
        response.pipe(outgoing);
      });
      passed.on('error', () => outgoing.destroy());
      incoming.pipe(passed);
      incoming.on('close', () => incoming.complete || passed.destroy());
    }
  };
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const endpoint = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  const server: S3Server = {
    bucket: { endpoint, bucket: 'files', ...CREDENTIALS },
    refusesUnsignedHeaders: true,
    intercept: () => undefined,
    async keys() {
      const names = await readdir(`${directory.path}/files`);
      return names.filter((name) => name.endsWith('._S3rver_object')).map((name) => name.split('.')[0] ?? '');
    },
    async uploads() {
      return (await exists(multiparts)) ? await readdir(multiparts) : [];
    },
    async [Symbol.asyncDispose]() {
      proxy.closeAllConnections();
      await new Promise((resolve) => proxy.close(resolve));
      await s3rver.close();
      await directory[Symbol.asyncDispose]();
    },
  };
  return server;
}

function hasUnsignedHeader(headers: IncomingMessage['headers'], query: URLSearchParams): boolean {
  const signed = query.get('X-Amz-SignedHeaders')?.split(';');
  return (
    signed !== undefined && Object.keys(headers).some((name) => name.startsWith('x-amz-') && !signed.includes(name))
  );
}

async function exists(file: string): Promise<boolean> {
  return await stat(file).then(
    () => true,
    () => false,
  );
}

/** The answer to ListParts, in pages of two parts. */
async function listOfParts(folder: string, after: number): Promise<string> {
  const stored = (await readdir(folder))
    .filter((name) => name.endsWith('.md5'))
    .map((name) => Number.parseInt(name, 10));
  const numbers = stored.toSorted((a, b) => a - b).filter((number) => number > after);
  const page = numbers.slice(0, 2);
  const parts = page.map(async (number) => {
    const { size } = await stat(path.join(folder, String(number)));
    const etag = await readFile(path.join(folder, `${number}.md5`), 'utf8');
    return `<Part><PartNumber>${number}</PartNumber><ETag>&quot;${etag}&quot;</ETag><Size>${size}</Size></Part>`;
  });
  const more = `<IsTruncated>${numbers.length > 2}</IsTruncated><NextPartNumberMarker>${page.at(-1) ?? after}</NextPartNumberMarker>`;
  return `<ListPartsResult>${(await Promise.all(parts)).join('')}${more}</ListPartsResult>`;
}

/** A storage in a bucket of an S3 server. */
export interface S3Rig extends AsyncDisposable {
  readonly server: S3Server;
  readonly partsDirectory: string;
  /** Creates the storage, as a process that starts does. */
  open(): FileBackend;
  /** The same, for clients that send bytes to the bucket. @param clock - decides when URLs expire */
  openDirect(clock?: Clock): FileBackend;
}

export async function startS3Rig(): Promise<S3Rig> {
  const server = await startS3Server();
  const directory = await temporaryDirectory();
  return {
    server,
    partsDirectory: directory.path,
    open: () => s3Storage({ ...server.bucket, partsDirectory: directory.path }),
    openDirect: (clock) => new S3Storage({ ...server.bucket, partsDirectory: directory.path, direct: true }, clock),
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}
