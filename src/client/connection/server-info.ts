import { CAPABILITIES, type Capability } from '../../protocol/constants.ts';
import type { ServerHello } from '../../transport/frames.ts';

/** What the connected server guarantees. */
export interface Guarantees {
  /** Every request is acknowledged. */
  readonly acknowledged: boolean;
  /** A message that is sent again after a lost response is stored once. */
  readonly exactlyOnce: boolean;
  /** Missed messages are detected and fetched. */
  readonly gapFree: boolean;
  /** Missed edits, deletions and reactions are fetched after a reconnect. */
  readonly editsOnResume: boolean;
  /** All of a user's conversations and messages can be read: in pages, by id and by a search in one conversation. */
  readonly completeHistory: boolean;
}

/** Returns the capabilities that the server offers and this client knows. */
export function negotiateCapabilities(offered: readonly unknown[]): ReadonlySet<Capability> {
  return new Set(CAPABILITIES.filter((capability) => offered.includes(capability)));
}

/** Holds what the server has said in its hello: its capabilities and who the user is. */
export class ServerInfo {
  readonly #optionsUserId: string | undefined;
  #capabilities: ReadonlySet<Capability> = new Set();
  #confirmedUserId: string | undefined;
  #lastUserId: string | undefined;
  #typingTimeoutMs: number | undefined;
  #isBase = false;

  /** @param optionsUserId - the user id to assume until a server confirms one */
  constructor(optionsUserId: string | undefined) {
    this.#optionsUserId = optionsUserId;
  }

  /** The user id of the hello, else the one of the options. A base server never confirms one. */
  get userId(): string | undefined {
    return this.#confirmedUserId ?? this.#optionsUserId;
  }

  /** True if the server of the last connection sent no hello. */
  get isBase(): boolean {
    return this.#isBase;
  }

  /** How long a typing notification lasts. `undefined` with a base server. */
  get typingTimeoutMs(): number | undefined {
    return this.#typingTimeoutMs;
  }

  get guarantees(): Guarantees {
    const gapFree = this.has('rev');
    return Object.freeze({
      acknowledged: this.has('ack'),
      exactlyOnce: this.has('client-id'),
      gapFree,
      editsOnResume: gapFree,
      completeHistory: gapFree,
    });
  }

  has(capability: Capability): boolean {
    return this.#capabilities.has(capability);
  }

  /** The user signs out: until the next hello, the user is the one of the options. */
  forget(): void {
    this.#confirmedUserId = undefined;
    this.#lastUserId = undefined;
  }

  /**
   * Applies the hello of a new connection.
   *
   * @param hello - `undefined` for a base server, which sends none
   * @returns true if another user is signed in than on the connections before
   */
  update(hello: ServerHello | undefined): boolean {
    this.#isBase = hello === undefined;
    this.#confirmedUserId = hello?.userId;
    this.#capabilities = negotiateCapabilities(hello?.capabilities ?? []);
    this.#typingTimeoutMs = hello?.typingTimeoutMs;
    const userId = this.#confirmedUserId;
    const isOther = userId !== undefined && this.#lastUserId !== undefined && userId !== this.#lastUserId;
    this.#lastUserId = userId ?? this.#lastUserId;
    return isOther;
  }
}
