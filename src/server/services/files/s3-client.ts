import { systemClock, type Clock } from '../../../lib/clock.ts';
import { systemRandom } from '../../../lib/random.ts';
import { retry } from '../../../lib/retry.ts';
import { StorageUnavailable } from './file-backend.ts';

/** A bucket of an S3-compatible storage, and the credentials for it. */
export interface S3Bucket {
  /** URL of the service, such as `https://s3.eu-central-1.amazonaws.com`. */
  endpoint: string;
  /** @defaultValue 'us-east-1' */
  region?: string | undefined;
  bucket: string;
  /**
   * Whether the bucket is part of the path (`https://host/bucket/key`) and not of the host name
   * (`https://bucket.host/key`). @defaultValue true
   */
  pathStyle?: boolean | undefined;
  accessKeyId: string;
  secretAccessKey: string;
  /** For temporary credentials. */
  sessionToken?: string | undefined;
}

/** A request for an object of the bucket. */
export interface S3Request {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  readonly key: string;
  readonly query?: Readonly<Record<string, string>> | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  readonly body?: Uint8Array<ArrayBuffer> | string | undefined;
  /** Ends the request and its repetitions. Its reason is a {@link StorageUnavailable}. */
  readonly signal?: AbortSignal | undefined;
}

/** A refusal of the storage. */
export class S3Error extends Error {
  override readonly name = 'S3Error';
  /** Code of S3, such as `NoSuchKey`, or the HTTP status if the response has none. */
  readonly code: string;
  readonly status: number;

  constructor(status: number, code: string) {
    super(`The S3 storage answered ${status} ${code}`);
    this.status = status;
    this.code = code;
  }
}

const ANSWER_MS = 60_000;
/** Lines that send a body more slowly are not supported. */
const MIN_BYTES_PER_SECOND = 16 * 1_024;
const ATTEMPTS = 4;
const BACKOFF = { baseMs: 200, maxMs: 5_000 };
const MAX_ERROR_BYTES = 65_536;
const MAX_SIGNING_KEYS = 2;
/** A page of a listing has about 300 KiB. */
const MAX_TEXT_BYTES = 4 * 1_024 * 1_024;

/** Sends signed requests to a bucket (Signature Version 4). Repeats requests that failed for the moment. */
export class S3Client {
  readonly #bucket: S3Bucket;
  readonly #base: string;
  readonly #clock: Clock;
  /** Keys that are derived from the secret for a day, in the form of `aws4fetch`. Deriving one takes longer than a signature. */
  readonly #signingKeys = new Map<string, ArrayBuffer>();

  /** @param clock - for timeouts and the wait between attempts. @throws TypeError as {@link bucketUrl} */
  constructor(bucket: S3Bucket, clock: Clock = systemClock) {
    this.#bucket = bucket;
    this.#clock = clock;
    this.#base = bucketUrl(bucket);
  }

  /**
   * Sends a request. The caller reads the body of the response, or cancels it.
   *
   * @throws S3Error for a refusal, {@link StorageUnavailable} if the storage can't be reached or answers 5xx or 429
   */
  async send(request: S3Request): Promise<Response> {
    return await this.#repeat(request, (response) => response);
  }

  /**
   * Sends a request and reads the response as text. The body must arrive in the time of the response.
   *
   * @throws as {@link S3Client.send}, {@link StorageUnavailable} also for more than 4 MiB
   */
  async text(request: S3Request): Promise<string> {
    return await this.#repeat(request, (response) => textOf(response, MAX_TEXT_BYTES));
  }

  /**
   * Returns a URL that allows one kind of request without credentials: a PUT with exactly `bytes` bytes.
   *
   * @param nowMs - milliseconds since the epoch, from which the URL is valid for `expiresInS` seconds
   */
  async presignPut(
    { key, query }: Pick<S3Request, 'key' | 'query'>,
    { bytes, nowMs, expiresInS }: { bytes: number; nowMs: number; expiresInS: number },
  ): Promise<string> {
    const { AwsV4Signer } = await import('aws4fetch');
    const signer = new AwsV4Signer({
      method: 'PUT',
      url: this.#urlOf(key, { ...query, 'X-Amz-Expires': String(expiresInS) }),
      headers: { 'content-length': String(bytes) },
      // Otherwise the length would not be signed, and the body could have any.
      allHeaders: true,
      signQuery: true,
      datetime: new Date(nowMs).toISOString().replaceAll(/[:-]|\.\d{3}/g, ''),
      ...this.#credentials(),
    });
    return (await signer.sign()).url.href;
  }

  /** Sends a PUT by a presigned URL, as a client does. @returns the status of the answer */
  async putPresigned(
    url: string,
    { body, headers, signal }: Pick<RequestInit, 'headers'> & { body: string; signal: AbortSignal | undefined },
  ): Promise<number> {
    const init = { method: 'PUT', headers: headers ?? {}, body };
    return await this.#fetch(url, init, { bytes: body.length, signal }, async (response) => {
      await response.body?.cancel();
      return response.status;
    });
  }

  /** Returns the header by which a PUT copies an object of this bucket instead of storing a body. */
  copyHeader(key: string): Record<string, string> {
    return { 'x-amz-copy-source': `/${this.#bucket.bucket}/${encodeURIComponent(key)}` };
  }

  async #repeat<T>(request: S3Request, read: (response: Response) => T | Promise<T>): Promise<T> {
    let attempts = 0;
    const attempt = async (): Promise<T> => {
      attempts += 1;
      return await this.#attempt(request, read);
    };
    const { signal } = request;
    const shouldRetry = (error: unknown): boolean => error instanceof StorageUnavailable && attempts < ATTEMPTS;
    return await retry(
      attempt,
      { clock: this.#clock, random: systemRandom },
      { backoff: BACKOFF, shouldRetry, signal },
    );
  }

  async #attempt<T>(request: S3Request, read: (response: Response) => T | Promise<T>): Promise<T> {
    const { url, ...init } = await this.#sign(request);
    const { body, signal } = request;
    return await this.#fetch(url, init, { bytes: body?.length, signal }, async (response) => {
      if (response.ok) return await read(response);
      const { status } = response;
      // Without a document that can be read, the status says enough.
      const document = await textOf(response, MAX_ERROR_BYTES).catch(() => '');
      const code = errorCodeOf(document) ?? String(status);
      const error = new S3Error(status, code);
      throw status >= 500 || status === 429 ? new StorageUnavailable(error.message, { cause: error }) : error;
    });
  }

  async #fetch<T>(
    url: string,
    init: RequestInit,
    { bytes, signal }: { bytes: number | undefined; signal: AbortSignal | undefined },
    read: (response: Response) => Promise<T>,
  ): Promise<T> {
    // Ends what `read` waits for, and not the body of a response that it returns, which a slow reader may need hours for.
    const timeout = new AbortController();
    const cancel = this.#clock.after(answerTimeoutMs(bytes), () => timeout.abort());
    const signals = signal === undefined ? [timeout.signal] : [timeout.signal, signal];
    try {
      return await read(await fetch(url, { ...init, signal: AbortSignal.any(signals), redirect: 'manual' }));
    } catch (cause) {
      if (cause instanceof S3Error || cause instanceof StorageUnavailable) throw cause;
      throw new StorageUnavailable('The S3 storage can not be reached', { cause });
    } finally {
      cancel();
    }
  }

  async #sign({ method, key, query = {}, headers, body }: S3Request): Promise<RequestInit & { url: string }> {
    // Loaded with the first request: most servers store files in a directory.
    const { AwsV4Signer } = await import('aws4fetch');
    const url = this.#urlOf(key, query);
    const bytes = typeof body === 'string' ? new TextEncoder().encode(body) : (body ?? new Uint8Array());
    const signer = new AwsV4Signer({
      method,
      url,
      // The signature covers the body, also over plain HTTP.
      headers: { ...headers, 'x-amz-content-sha256': await sha256(bytes) },
      ...this.#credentials(),
    });
    const signed = await signer.sign();
    return { method, url: signed.url.href, headers: signed.headers, ...(body !== undefined && { body: bytes }) };
  }

  #urlOf(key: string, query: S3Request['query']): string {
    const parameters = new URLSearchParams(query).toString();
    return `${this.#base}/${encodeURIComponent(key)}${parameters === '' ? '' : `?${parameters}`}`;
  }

  #credentials(): {
    accessKeyId: string;
    secretAccessKey: string;
    sessionToken?: string;
    service: string;
    region: string;
    cache: Map<string, ArrayBuffer>;
  } {
    const { region = 'us-east-1', accessKeyId, secretAccessKey, sessionToken } = this.#bucket;
    // Those of past days.
    if (this.#signingKeys.size > MAX_SIGNING_KEYS) this.#signingKeys.clear();
    return {
      accessKeyId,
      secretAccessKey,
      ...(sessionToken !== undefined && { sessionToken }),
      service: 's3',
      region,
      cache: this.#signingKeys,
    };
  }
}

/**
 * Returns the URL of a bucket, without a slash at its end.
 *
 * @throws TypeError if the endpoint is not an http(s) URL or contains credentials, a query or a fragment, a name is not valid,
 *   or an option is empty
 */
function bucketUrl(bucket: S3Bucket): string {
  const url = URL.parse(bucket.endpoint);
  if (url === null || !/^https?:$/.test(url.protocol)) throw new TypeError('endpoint must be an http(s) URL');
  // The clients that send files to the bucket see it.
  if (url.username !== '' || url.password !== '') throw new TypeError('endpoint must not contain credentials');
  if (/[?#]/.test(url.href)) throw new TypeError('endpoint must not contain a query or a fragment');
  for (const name of ['bucket', 'accessKeyId', 'secretAccessKey'] as const) {
    if (bucket[name] === '') throw new TypeError(`${name} must not be empty`);
  }
  // `..` would be the endpoint itself.
  if (!/^[a-z0-9][\w.-]*$/i.test(bucket.bucket)) throw new TypeError('bucket must be the name of a bucket');
  if (bucket.region !== undefined && !/^[\w-]+$/.test(bucket.region)) {
    throw new TypeError('region must consist of letters, digits, hyphens and underscores');
  }
  if (bucket.pathStyle === false) {
    const host = `${bucket.bucket}.${url.hostname}`;
    url.hostname = host;
    if (url.hostname !== host) throw new TypeError(`${host} is not a host name`);
  } else url.pathname = `${url.pathname.replace(/\/$/, '')}/${bucket.bucket}`;
  return url.href.replace(/\/$/, '');
}

/** Returns the time in ms that a request may take until it is answered. @param bodyBytes - size of its body */
export function answerTimeoutMs(bodyBytes = 0): number {
  return ANSWER_MS + Math.ceil((bodyBytes / MIN_BYTES_PER_SECOND) * 1_000);
}

/** Returns the code of an error document, which also a response with status 200 can contain. */
export function errorCodeOf(xml: string): string | undefined {
  const at = xml.indexOf('<Error>');
  const code = at < 0 ? undefined : elementIn(xml, 'Code', at);
  return code !== undefined && /^[A-Za-z0-9.]{1,100}$/.test(code) ? code : undefined;
}

/** Returns what is between the first tags of this name from an index on. In linear time, unlike a lazy expression. */
export function elementIn(xml: string, name: string, from = 0): string | undefined {
  const start = xml.indexOf(`<${name}>`, from);
  const end = start < 0 ? -1 : xml.indexOf(`</${name}>`, start);
  return end < 0 ? undefined : xml.slice(start + name.length + 2, end);
}

async function textOf({ body }: Response, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    chunks.push(chunk);
    bytes += chunk.byteLength;
    if (bytes > maxBytes) throw new StorageUnavailable('The S3 storage sent a document that is too long');
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** In another thread: a part of a file would hold up the event loop. */
async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return Buffer.from(await crypto.subtle.digest('SHA-256', bytes)).toString('hex');
}
