import type { Lazy } from '../../lib/lazy.ts';
import { isCommError } from '../../protocol/errors.ts';
import type { RequestName, RequestOf, ResponseOf } from '../../protocol/events.ts';
import type { BaseModeRequester } from '../../transport/base-mode.ts';
import type { Requester, RequestOptions, RequestChannel } from '../../transport/request-channel.ts';
import type { Cipher } from '../cipher.ts';
import type { ServerInfo } from './server-info.ts';

/** Sends requests in the way that the connected server supports, and decrypts the messages in their responses. */
export class ServerRequester implements Requester {
  readonly #server: ServerInfo;
  readonly #channel: RequestChannel;
  readonly #baseMode: Lazy<BaseModeRequester>;
  readonly #cipher: Lazy<Cipher> | undefined;
  readonly #timedOut: () => void;

  /**
   * @param baseMode - sends requests to a server without acknowledgements
   * @param cipher - decrypts the messages in responses
   * @param timedOut - called when a request had no response in time: the connection may be dead
   */
  constructor(
    server: ServerInfo,
    channel: RequestChannel,
    baseMode: Lazy<BaseModeRequester>,
    cipher: Lazy<Cipher> | undefined,
    timedOut: () => void,
  ) {
    this.#server = server;
    this.#channel = channel;
    this.#baseMode = baseMode;
    this.#cipher = cipher;
    this.#timedOut = timedOut;
  }

  /** Loads what requests to the connected server need. */
  async prepare(): Promise<void> {
    if (!this.#server.has('ack')) await this.#baseMode();
  }

  async request<K extends RequestName>(
    name: K,
    payload: RequestOf<K>,
    options?: RequestOptions,
  ): Promise<ResponseOf<K>> {
    const requester = this.#server.has('ack') ? this.#channel : await this.#baseMode();
    const answer = requester.request(name, payload, options);
    answer.catch((error: unknown) => {
      if (isCommError(error) && error.code === 'TIMEOUT') this.#timedOut();
    });
    const response = await answer;
    return this.#cipher === undefined
      ? response
      : ((await this.#cipher()).open(response, true, name, payload) as typeof response);
  }

  /** A push has arrived: with a base server it may be the response to a request. */
  pushed(event: string, data: unknown): void {
    if (!this.#server.has('ack')) this.#baseMode.current?.pushed(event, data);
  }

  connectionLost(): void {
    this.#baseMode.current?.closed();
  }
}
