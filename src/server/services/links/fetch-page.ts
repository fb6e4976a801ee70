import { lookup as resolve } from 'node:dns';
import { request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';

/** Where pages may be fetched from. */
export interface FetchPolicy {
  /** Returns whether connections to this IP address are allowed. Asked for every address of a name. */
  allowsAddress(address: string): boolean;
  /** Returns whether connections to this port are allowed. */
  allowsPort(port: number): boolean;
}

/** An HTML page. */
export interface Page {
  /** Its address after redirects. */
  readonly url: URL;
  readonly html: string;
}

const MAX_REDIRECTS = 3;
/** The head of a page is at its start. */
const MAX_BYTES = 256 * 1_024;
const HEADERS = {
  accept: 'text/html, application/xhtml+xml',
  // A compressed body could be much larger than what is received.
  'accept-encoding': 'identity',
  'user-agent': 'lumen-comm link previews',
};

/**
 * Fetches the start of an HTML page. Every connection, also after a redirect, goes to addresses that the policy allows:
 * they are checked when the name is resolved for the connection, so that a name can't change in between.
 *
 * @returns `undefined` if the response is no HTML page
 * @throws Error if the page can't be fetched or a connection isn't allowed
 */
export async function fetchPage(start: URL, policy: FetchPolicy, signal: AbortSignal): Promise<Page | undefined> {
  let url = start;
  for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
    requireAllowed(url, policy);
    const response = await get(url, policy, signal);
    const { statusCode = 0, headers } = response;
    if (statusCode >= 300 && statusCode < 400 && headers.location !== undefined) {
      response.destroy();
      url = new URL(headers.location, url);
      continue;
    }
    const type = headers['content-type'] ?? '';
    const encoding = headers['content-encoding'] ?? 'identity';
    if (statusCode !== 200 || !/^(?:text\/html|application\/xhtml\+xml)\b/i.test(type) || encoding !== 'identity') {
      response.destroy();
      return undefined;
    }
    return { url, html: decode(await readStart(response), type) };
  }
  throw new Error('Too many redirects');
}

/** Node doesn't resolve a host that is an IP address, so it is checked here. */
function requireAllowed({ protocol, hostname, port, username, password }: URL, policy: FetchPolicy): void {
  if (protocol !== 'http:' && protocol !== 'https:') throw new Error('Only http and https are allowed');
  if (username !== '' || password !== '') throw new Error('Credentials are not allowed');
  if (!policy.allowsPort(port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port))) {
    throw new Error('The port is not allowed');
  }
  const address = hostname.replace(/^\[|\]$/g, '');
  if (isIP(address) !== 0 && !policy.allowsAddress(address)) throw new Error('The address is not allowed');
}

function get(url: URL, policy: FetchPolicy, signal: AbortSignal): Promise<IncomingMessage> {
  const lookup: LookupFunction = (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, '');
      const [first] = addresses;
      if (first === undefined || !addresses.every(({ address }) => policy.allowsAddress(address))) {
        return callback(new Error('The address is not allowed'), '');
      }
      if (options.all === true) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
  // Without an agent no connection is reused, so that each is checked.
  const options: RequestOptions = { lookup, signal, agent: false, headers: HEADERS, maxHeaderSize: 16_384 };
  return new Promise((resolvePage, reject) => {
    const request = url.protocol === 'https:' ? httpsRequest(url, options) : httpRequest(url, options);
    request.once('response', resolvePage);
    request.once('error', reject);
    request.end();
  });
}

async function readStart(response: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response) {
    chunks.push(chunk as Buffer);
    size += (chunk as Buffer).length;
    // Leaving the loop destroys the response.
    if (size >= MAX_BYTES) break;
  }
  return Buffer.concat(chunks).subarray(0, MAX_BYTES);
}

function decode(bytes: Uint8Array, contentType: string): string {
  const label = /charset="?([\w.:-]+)/i.exec(contentType)?.[1] ?? 'utf-8';
  try {
    return new TextDecoder(label).decode(bytes);
  } catch {
    return new TextDecoder().decode(bytes);
  }
}
