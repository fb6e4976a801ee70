import { CommError } from '../../protocol/errors.ts';
import { LIMITS } from '../../protocol/limits.ts';
import type { Identify } from '../auth/authenticate.ts';
import { notFound } from '../services/errors.ts';
import type { ReadableFile, UploadDescription, UploadState } from '../services/files/file-service.ts';
import { isShownInline } from '../services/files/mime-types.ts';
import type { Caller } from '../services/ports.ts';
import type { ServerCore } from '../server-core.ts';
import { parseRange } from './parse-range.ts';
import type { RestRequest, RestResponse } from './rest-request.ts';

/** A route of bytes instead of JSON. */
export type FileRoute =
  | { readonly name: 'upload'; readonly id: string; readonly key: string }
  | { readonly name: 'download'; readonly id: string };

/** The tus version that uploads implement: HEAD, PATCH and DELETE of the core protocol and of `termination`. */
const TUS_VERSION = '1.0.0';
const TUS_METHODS: ReadonlySet<string> = new Set(['HEAD', 'PATCH', 'DELETE']);
const TUS_PROTOCOL = {
  'tus-resumable': TUS_VERSION,
  'tus-version': TUS_VERSION,
  'tus-extension': 'expiration,termination',
} as const;
const CHUNK_TYPE = 'application/offset+octet-stream';

/** Headers of the response to OPTIONS, by which tus clients learn what an upload supports. */
export function tusOptions(pathname: string, { restPath, fileUpload }: ServerCore['config']): Record<string, string> {
  if (matchFileRoute(pathname, restPath)?.name !== 'upload') return {};
  return { ...TUS_PROTOCOL, 'tus-max-size': String(fileUpload.maxFileSize) };
}

/** Finds the route of a file or upload; `undefined` for other paths. The name of a file is ignored. */
export function matchFileRoute(pathname: string, restPath: string): FileRoute | undefined {
  if (!pathname.startsWith(restPath)) return undefined;
  const [, folder, id, last] =
    /^\/(files|uploads)\/([0-9a-f-]{36})\/([^/]+)$/.exec(pathname.slice(restPath.length)) ?? [];
  if (folder === undefined || id === undefined || last === undefined) return undefined;
  return folder === 'files' ? { name: 'download', id } : { name: 'upload', id, key: last };
}

/** Handles a request for a file or an upload. Both are charged to a user and count as one of the user's requests. */
export async function handleFileRoute(
  core: ServerCore,
  identify: Identify,
  request: RestRequest,
  route: FileRoute | undefined,
): Promise<RestResponse> {
  if (route === undefined) throw notFound();
  return route.name === 'upload'
    ? await handleUpload(core, request, route)
    : await download(core, identify, request, route);
}

/** Listing the parts of an upload is a request to the storage, or several, which may be billed. */
const LISTING_WORK = 10;
/** The minimum of S3. */
const MIN_PART_BYTES = 5 * 1_024 * 1_024;

/** Returns the cost of a request: all but DELETE list the parts, and GET also signs a URL for each part that it answers. */
function uploadWork(method: string, { isDirect, size }: UploadDescription): number {
  if (!isDirect || method === 'DELETE') return 1;
  const urls = method === 'GET' ? Math.min(LIMITS.uploadParts, Math.ceil(size / MIN_PART_BYTES)) : 0;
  return LISTING_WORK + urls;
}

async function handleUpload(
  core: ServerCore,
  request: RestRequest,
  { id, key }: FileRoute & { name: 'upload' },
): Promise<RestResponse> {
  const { files } = core.services;
  const { method, headers } = request;
  // The key of the URL identifies the user: the one who has begun the upload.
  const upload = await files.describeUpload(id, key);
  await core.services.userBans.require(upload.userId);
  const release = admit(core, upload.userId, uploadWork(method, upload));
  try {
    if (method === 'PUT') {
      const { url } = complete(await files.receive(id, key, undefined, request.body));
      return {
        status: 200,
        headers: { ...NO_STORE, 'content-type': 'application/json' },
        body: JSON.stringify({ url }),
      };
    }
    if (method === 'GET') {
      const parts = await files.partsToSend(id, key);
      return { status: 200, headers: { ...NO_STORE, 'content-type': 'application/json' }, body: JSON.stringify(parts) };
    }
    if (!TUS_METHODS.has(method)) {
      // POST would create an upload, or concatenate some: `file:request-upload` does the first, and nothing the second.
      throw new CommError('UNSUPPORTED', 'Uploads support PUT, and HEAD, PATCH and DELETE of tus');
    }
    if (headers['tus-resumable'] !== TUS_VERSION) return unsupported(412, `Tus-Resumable must be ${TUS_VERSION}`);
    if (method === 'PATCH' && headers['content-type'] !== CHUNK_TYPE) {
      return unsupported(415, `Content-Type must be ${CHUNK_TYPE}`);
    }
    switch (method) {
      case 'HEAD':
        return { status: 200, headers: tusHeaders(await files.uploadState(id, key)), body: '' };
      case 'PATCH': {
        const offset = offsetOf(request);
        return { status: 204, headers: tusHeaders(await files.receive(id, key, offset, request.body)), body: '' };
      }
      default:
        await files.cancelUpload(id, key);
        return { status: 204, headers: { ...NO_STORE, 'tus-resumable': TUS_VERSION }, body: '' };
    }
  } finally {
    release();
  }
}

/** Responds with a status that tus has for this case, and errors of the protocol don't. */
function unsupported(status: number, message: string): RestResponse {
  const headers = { ...NO_STORE, 'content-type': 'application/json', ...TUS_PROTOCOL };
  return { status, headers, body: JSON.stringify({ error: { code: 'UNSUPPORTED', message } }) };
}

const NO_STORE = { 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' } as const;

function tusHeaders({ offset, size, expiresAt }: UploadState): Record<string, string> {
  return {
    ...NO_STORE,
    'tus-resumable': TUS_VERSION,
    'upload-offset': String(offset),
    'upload-length': String(size),
    ...(expiresAt !== null && { 'upload-expires': new Date(expiresAt).toUTCString() }),
  };
}

function offsetOf({ headers }: RestRequest): number {
  const offset = headers['upload-offset'];
  if (typeof offset === 'string' && /^\d{1,15}$/.test(offset)) return Number(offset);
  throw new CommError('INVALID', 'Upload-Offset must be a whole number');
}

/** A PUT contains the whole file. */
function complete(state: UploadState): UploadState {
  if (state.offset === state.size) return state;
  throw new CommError('INVALID', 'The body must have as many bytes as were announced');
}

async function download(
  core: ServerCore,
  identify: Identify,
  { method, url, headers }: RestRequest,
  { id }: FileRoute & { name: 'download' },
): Promise<RestResponse> {
  if (method !== 'GET' && method !== 'HEAD') throw notFound();
  const { files } = core.services;
  const query = Object.fromEntries(url.searchParams);
  const userId =
    query['signature'] === undefined ? (await identify({ headers, query })).userId : await files.signer(id, query);
  await core.services.userBans.require(userId);
  const release = admit(core, userId);
  try {
    const file = await files.open(userId, id);
    const etag = `"${id}"`;
    const shared = { ...fileHeaders(file), etag };
    if (headers['if-none-match'] === etag) return ended({ status: 304, headers: shared, body: '', userId }, release);
    const whole = headers['if-range'] !== undefined && headers['if-range'] !== etag;
    const range = whole ? undefined : parseRange(headers['range'], file.size);
    if (range === 'unsatisfiable') {
      const unsatisfiable = { ...NO_STORE, 'content-range': `bytes */${file.size}` };
      return ended({ status: 416, headers: unsatisfiable, body: '', userId }, release);
    }
    const { start, end } = range ?? { start: 0, end: file.size - 1 };
    const responseHeaders = {
      ...shared,
      'content-length': String(end - start + 1),
      ...(range !== undefined && { 'content-range': `bytes ${start}-${end}/${file.size}` }),
    };
    const head = { status: range === undefined ? 200 : 206, headers: responseHeaders, userId };
    if (method === 'HEAD' || file.size === 0) return ended({ ...head, body: '' }, release);
    return { ...head, body: { chunks: file.read({ start, end }), release } };
  } catch (error) {
    release();
    throw error;
  }
}

/** Charges a request. @param work - in units of a small request. @returns a function that ends it; idempotent */
function admit(core: ServerCore, userId: string, work = 1): () => void {
  const caller: Caller = { userId, caps: new Set() };
  core.services.budgets.chargeRequest(caller, work);
  core.unread.admit(userId);
  return core.restRequests.take(userId);
}

function ended(response: RestResponse, release: () => void): RestResponse {
  release();
  return response;
}

/**
 * The bytes come from other users, so a browser must not execute them as a page of this origin: it displays only formats
 * that were checked, saves all others, guesses no type, and runs no scripts.
 */
function fileHeaders({ fileName: name, mimeType }: ReadableFile): Record<string, string> {
  const inline = isShownInline(mimeType);
  // RFC 6266: the first name is for clients that don't know the second. Neither contains a quote or a line break.
  const ascii = name.replaceAll(/[^\w .()-]/g, '_');
  const encoded = encodeURIComponent(name.toWellFormed()).replaceAll(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return {
    'content-type': inline ? mimeType : 'application/octet-stream',
    'content-disposition': `${inline ? 'inline' : 'attachment'}; filename="${ascii}"; filename*=UTF-8''${encoded}`,
    'content-security-policy':
      "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; media-src 'self'",
    'x-content-type-options': 'nosniff',
    'cache-control': 'private, max-age=31536000, immutable',
    'accept-ranges': 'bytes',
    // The URL contains a signature.
    'referrer-policy': 'no-referrer',
  };
}
