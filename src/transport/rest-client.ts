import { abortable, type AbortOptions } from '../lib/abort.ts';
import { CommError, SERVER_ERROR_CODES, commErrorFrom, type ServerErrorCode } from '../protocol/errors.ts';
import { fields } from './fields.ts';
import type { TokenSource } from './token-source.ts';
import { REST_ROUTES, type RestRouteName } from '../protocol/vocabulary.ts';

export interface RestClientOptions {
  /** Origin and REST path, without a slash at the end. */
  baseUrl: string;
  fetch: typeof fetch;
  tokens: TokenSource;
  /** Says who this is where no token does. */
  userId: () => string | undefined;
  timeoutMs: number;
  /** What is done to each answer. */
  open?: ((answer: unknown) => unknown) | undefined;
}

export interface RestRequest extends AbortOptions {
  /** Fills `:id` of the route. */
  id?: string | undefined;
  query?: Readonly<Record<string, string | number | undefined>> | undefined;
  body?: unknown;
}

/** What asks at once: on a slow line many answers would share it until none of them is there in time. */
const AT_ONCE = 6;

/** The routes of the protocol, asked by the app's `fetch`. Answers are returned as they came, to be read by `rows.ts`. */
export class RestClient {
  readonly #options: RestClientOptions;
  readonly #queue: (() => void)[] = [];
  #asking = 0;

  constructor(options: RestClientOptions) {
    this.#options = options;
  }

  /** @throws CommError with the server's code, `TIMEOUT`, or `DISCONNECTED` when nothing answered */
  ask(route: RestRouteName, request: RestRequest = {}): Promise<unknown> {
    const { method, path } = REST_ROUTES[route];
    return this.askPath(method, path.replace(':id', encodeURIComponent(request.id ?? '')), request);
  }

  async askPath(method: string, path: string, request: RestRequest): Promise<unknown> {
    const { tokens } = this.#options;
    for (;;) {
      const token = await abortable(this.#token(), request.signal);
      try {
        const answer = await abortable(
          this.#inTurn(() => this.#once(method, path, request, token)),
          request.signal,
        );
        tokens.accepted();
        return this.#options.open === undefined ? answer : await this.#options.open(answer);
      } catch (error) {
        if (!(error instanceof CommError) || error.code !== 'TOKEN_EXPIRED' || !tokens.refused(token)) throw error;
      }
    }
  }

  /** Its time runs from when it is asked. */
  async #inTurn(ask: () => Promise<unknown>): Promise<unknown> {
    if (this.#asking === AT_ONCE) await new Promise<void>((resolve) => this.#queue.push(resolve));
    else this.#asking += 1;
    try {
      return await ask();
    } finally {
      const next = this.#queue.shift();
      if (next === undefined) this.#asking -= 1;
      else next();
    }
  }

  async #token(): Promise<string | undefined> {
    try {
      return await this.#options.tokens.get();
    } catch (cause) {
      throw new CommError('UNAUTHENTICATED', 'The token function failed', { cause });
    }
  }

  async #once(method: string, path: string, request: RestRequest, token: string | undefined): Promise<unknown> {
    const { baseUrl, timeoutMs, userId } = this.#options;
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(request.query ?? {})) {
      if (value !== undefined) query.set(name, String(value));
    }
    const headers: Record<string, string> = { accept: 'application/json' };
    const user = userId();
    if (token !== undefined) headers['authorization'] = `Bearer ${token}`;
    else if (user !== undefined) {
      // Both places where LumenJS apps look; a header can't carry every id.
      query.set('userId', user);
      if (/^[\x21-\x7e]+$/.test(user)) headers['x-user-id'] = user;
    }
    if (request.body !== undefined) headers['content-type'] = 'application/json';
    const timeout = AbortSignal.timeout(timeoutMs);
    const signal = request.signal === undefined ? timeout : AbortSignal.any([timeout, request.signal]);
    let response: Response;
    let answer: unknown;
    try {
      // Also where the app's `fetch` heeds no signal: it would keep one of few places for good.
      const asked = this.#options.fetch(`${baseUrl}${path}${query.size > 0 ? `?${query.toString()}` : ''}`, {
        method,
        headers,
        signal,
        ...(request.body !== undefined && { body: JSON.stringify(request.body) }),
      });
      response = await abortable(asked, signal);
      answer = await abortable(readBody(response), signal);
    } catch (cause) {
      if (request.signal?.aborted === true) throw request.signal.reason as Error;
      if (timeout.aborted) throw new CommError('TIMEOUT', `No answer to ${method} ${path} within ${timeoutMs} ms`);
      throw new CommError('DISCONNECTED', `${method} ${path} reached no server`, {
        cause,
        fix: 'Check `url`, and that the server lets this origin in (its option `origin`).',
      });
    }
    if (response.ok) return answer;
    throw refusal(response, answer);
  }
}

async function readBody(response: Response): Promise<unknown> {
  const body = await response.text();
  try {
    return JSON.parse(body) as unknown;
  } catch {
    return undefined;
  }
}

/** A server of ours names a code; of any other one the status has to do. */
function refusal(response: Response, answer: unknown): CommError {
  const body = fields(fields(answer)?.['error']);
  if (SERVER_ERROR_CODES.some((code) => code === body?.['code'])) return commErrorFrom(body);
  return new CommError(codeOfStatus(response.status), `The server answered ${response.status}`);
}

function codeOfStatus(status: number): ServerErrorCode {
  switch (status) {
    case 401:
      return 'UNAUTHENTICATED';
    case 403:
      return 'FORBIDDEN';
    case 404:
    case 405:
      return 'NOT_FOUND';
    case 409:
      return 'CONFLICT';
    case 413:
      return 'MESSAGE_TOO_LONG';
    case 429:
      return 'RATE_LIMITED';
    case 501:
      return 'UNSUPPORTED';
    case 502:
    case 503:
    case 504:
      return 'UNAVAILABLE';
    default:
      return status >= 500 ? 'INTERNAL' : 'INVALID';
  }
}
