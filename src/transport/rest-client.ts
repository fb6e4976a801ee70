import type { Clock } from '../lib/clock.ts';
import { abortable, type AbortOptions } from '../lib/abort.ts';
import { CommError } from '../protocol/errors.ts';
import { readJsonBody, restErrorOf } from './rest-error.ts';
import type { TokenSource } from './token-source.ts';
import { REST_ROUTES, type RestRouteName } from '../protocol/constants.ts';

/** Options of {@link RestClient}. */
export interface RestClientOptions {
  /** Origin and REST path, without a trailing slash. */
  baseUrl: string;
  fetch: typeof fetch;
  clock: Clock;
  tokens: TokenSource;
  /** The user to send if there is no token. */
  userId: () => string | undefined;
  /** Returns true if the server is known to be a base server, which may read no tokens. */
  isBase?: (() => boolean) | undefined;
  timeoutMs: number;
  /** Transforms each answer, for example to decrypt messages. */
  open?: ((answer: unknown) => unknown) | undefined;
}

/** Parameters of one request. */
export interface RestRequest extends AbortOptions {
  /** Value for `:id` in the path of the route. */
  id?: string | undefined;
  query?: Readonly<Record<string, string | number | boolean | undefined>> | undefined;
  body?: unknown;
  /** True returns what the server has stored: the answer is not passed to `open`. */
  isPlain?: boolean | undefined;
}

/** Maximum number of concurrent requests: on a slow connection more of them would all time out. */
const MAX_CONCURRENT = 6;

/** Requests the REST routes of the protocol. Answers are returned unvalidated; `parse-rows.ts` parses them. */
export class RestClient {
  readonly #options: RestClientOptions;
  readonly #queue: (() => void)[] = [];
  #active = 0;

  constructor(options: RestClientOptions) {
    this.#options = options;
  }

  /**
   * Requests a route and repeats the request with a new token if the server answers `TOKEN_EXPIRED`.
   *
   * @throws CommError with the server's code, `TIMEOUT`, or `DISCONNECTED` if there is no answer
   */
  ask(route: RestRouteName, request: RestRequest = {}): Promise<unknown> {
    const { method, path } = REST_ROUTES[route];
    return this.askPath(method, path.replace(':id', encodeURIComponent(request.id ?? '')), request);
  }

  /** Like {@link RestClient.ask}, for a path relative to the base URL. */
  async askPath(method: string, path: string, request: RestRequest): Promise<unknown> {
    const { tokens } = this.#options;
    for (;;) {
      const token = await abortable(this.#token(), request.signal);
      try {
        const answer = await abortable(
          this.#limited(() => this.#send(method, path, request, token)),
          request.signal,
        );
        tokens.accepted();
        return this.#options.open === undefined || request.isPlain ? answer : await this.#options.open(answer);
      } catch (error) {
        if (!(error instanceof CommError) || error.code !== 'TOKEN_EXPIRED' || !tokens.refused(token)) throw error;
      }
    }
  }

  /** Waits for a free slot. The request's timeout starts afterwards. */
  async #limited(ask: () => Promise<unknown>): Promise<unknown> {
    if (this.#active === MAX_CONCURRENT) await new Promise<void>((resolve) => this.#queue.push(resolve));
    else this.#active += 1;
    try {
      return await ask();
    } finally {
      const next = this.#queue.shift();
      if (next === undefined) this.#active -= 1;
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

  async #send(method: string, path: string, request: RestRequest, token: string | undefined): Promise<unknown> {
    const { baseUrl, clock, timeoutMs, userId, isBase } = this.#options;
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(request.query ?? {})) {
      if (value !== undefined) query.set(name, String(value));
    }
    // The form of the answers: empty captions of files.
    if (isBase?.() !== true) query.set('caps', 'batch');
    const headers: Record<string, string> = { accept: 'application/json' };
    const user = userId();
    if (token !== undefined) headers['authorization'] = `Bearer ${token}`;
    if (user !== undefined && (token === undefined || isBase?.() === true)) {
      // LumenJS apps read either; a header can't contain every id.
      query.set('userId', user);
      if (/^[\x21-\x7e]+$/.test(user)) headers['x-user-id'] = user;
    }
    if (request.body !== undefined) headers['content-type'] = 'application/json';
    const timeout = new AbortController();
    const stopTimer = clock.after(timeoutMs, () => timeout.abort());
    const signals = [timeout.signal, request.signal].filter((each) => each !== undefined);
    const signal = AbortSignal.any(signals);
    let response: Response;
    let answer: unknown;
    try {
      // Aborted here too, because an app's fetch that ignores the signal would occupy a slot indefinitely.
      const asked = this.#options.fetch(`${baseUrl}${path}${query.size > 0 ? `?${query.toString()}` : ''}`, {
        method,
        headers,
        signal,
        ...(request.body !== undefined && { body: JSON.stringify(request.body) }),
      });
      response = await abortable(asked, signal);
      answer = await abortable(readJsonBody(response), signal);
    } catch (cause) {
      if (request.signal?.aborted === true) throw request.signal.reason as Error;
      if (timeout.signal.aborted)
        throw new CommError('TIMEOUT', `No answer to ${method} ${path} within ${timeoutMs} ms`);
      throw new CommError('DISCONNECTED', `${method} ${path} failed: no answer from the server`, {
        cause,
        fix: 'Check `url`, and that the server allows this origin (its option `origin`).',
      });
    } finally {
      stopTimer();
    }
    if (response.ok) return answer;
    throw restErrorOf(response.status, answer);
  }
}
