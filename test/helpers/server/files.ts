import type { RequestUpload, UploadReady } from '../../../src/protocol/files.ts';
import type { MessageAttachment } from '../../../src/protocol/messages.ts';
import type { CommServerOptions, FilesOptions } from '../../../src/server/index.ts';
import { temporaryDirectory } from '../temporary-directory.ts';
import type { CheckedClient } from './checked-client.ts';
import { startServer, type TestServer } from './comm-server.ts';

/** The smallest PNG: one transparent pixel. */
export const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

/** A server that stores files in a temporary directory, and a group of ann and bob. */
export interface FileServer extends AsyncDisposable {
  readonly server: TestServer;
  readonly url: string;
  /** Directory of the files. */
  readonly directory: string;
  readonly ann: CheckedClient;
  readonly bob: CheckedClient;
  readonly conversationId: string;
  /** Begins an upload of ann. */
  begin(file?: Partial<RequestUpload>): Promise<UploadReady>;
  /** Uploads bytes as ann by a single PUT. */
  upload(bytes: Uint8Array, file?: Partial<RequestUpload>): Promise<MessageAttachment>;
  /** Sends a message of ann with the attachment. */
  send(attachment: MessageAttachment): Promise<string>;
  /** Loads a path of the server as a user. */
  load(path: string, userId: string, init?: RequestInit): Promise<Response>;
  /** Sends a tus request to an upload. */
  tus(path: string, method: string, offset?: number, body?: Uint8Array | ReadableStream): Promise<Response>;
}

export async function startFileServer(
  options: Omit<CommServerOptions, 'files'> & { files?: Partial<FilesOptions> } = {},
): Promise<FileServer> {
  const directory = await temporaryDirectory();
  const server = await startServer({ ...options, files: { backend: directory.path, ...options.files } });
  const { url } = server;
  const ann = await server.connect('ann');
  const bob = await server.connect('bob');
  const { id: conversationId } = await ann.ask('conversation:create', { type: 'group', participantIds: ['bob'] });
  const begin = (file: Partial<RequestUpload> = {}): Promise<UploadReady> =>
    ann.ask('file:request-upload', { conversationId, fileName: 'a.bin', mimeType: OCTETS, size: 1, ...file });
  const load = (path: string, userId: string, init: RequestInit = {}): Promise<Response> =>
    fetch(url + path, { ...init, headers: { ...(init.headers as object), 'x-user-id': userId } });
  return {
    server,
    url,
    directory: directory.path,
    ann,
    bob,
    conversationId,
    begin,
    load,
    async upload(bytes, file = {}) {
      const ready = await begin({ size: bytes.byteLength, ...file });
      const response = await fetch(url + ready.uploadUrl, { method: 'PUT', body: Buffer.from(bytes) });
      if (!response.ok) throw new Error(`PUT: ${response.status} ${await response.text()}`);
      await response.arrayBuffer();
      const { mimeType = OCTETS, fileName = 'a.bin' } = file;
      return { url: ready.key, mimeType, fileName, fileSize: bytes.byteLength };
    },
    async send(attachment) {
      return (await ann.ask('message:send', { conversationId, content: '', type: 'file', attachment })).id;
    },
    tus(path, method, offset, body) {
      const headers: Record<string, string> = { 'tus-resumable': '1.0.0' };
      if (offset !== undefined) {
        headers['upload-offset'] = String(offset);
        headers['content-type'] = 'application/offset+octet-stream';
      }
      const init: RequestInit & { duplex?: 'half' } = { method, headers };
      if (body !== undefined) init.body = body instanceof ReadableStream ? body : Buffer.from(body);
      if (body instanceof ReadableStream) init.duplex = 'half';
      return fetch(url + path, init);
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

const OCTETS = 'application/octet-stream';
