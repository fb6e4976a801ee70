import { CAPABILITIES, type Capability } from '../protocol/vocabulary.ts';
import { fields } from '../transport/fields.ts';

/** What the server at the other end can promise. */
export interface Guarantees {
  /** Every request is answered. */
  readonly acknowledged: boolean;
  /** Sending twice is sending once. */
  readonly exactlyOnce: boolean;
  /** Missed messages are noticed and fetched. */
  readonly gapFree: boolean;
  /** So are edits, deletions and reactions made while away. */
  readonly editsOnResume: boolean;
}

/** Who is at the other end, as far as it has said. */
export class Peer {
  readonly #optionsUserId: string | undefined;
  #caps: ReadonlySet<string> = new Set();
  #userId: string | undefined;
  #typingTimeoutMs: number | undefined;

  constructor(optionsUserId: string | undefined) {
    this.#optionsUserId = optionsUserId;
  }

  /** Who the server says this is; `undefined` with a base server, which never says. */
  get namedUserId(): string | undefined {
    return this.#userId;
  }

  get userId(): string | undefined {
    return this.#userId ?? this.#optionsUserId;
  }

  /** How long typing lasts without another key. */
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
    });
  }

  has(capability: Capability): boolean {
    return this.#caps.has(capability);
  }

  /** @param hello - `undefined` for a base server, which never says any */
  greeted(hello: unknown): void {
    const row = fields(hello);
    const userId = row?.['userId'];
    const caps = row?.['caps'];
    const timeoutMs = fields(row?.['limits'])?.['typingTimeoutMs'];
    const isOurs = typeof userId === 'string' && Array.isArray(caps);
    this.#userId = isOurs ? userId : undefined;
    this.#caps = new Set(isOurs ? CAPABILITIES.filter((capability) => caps.includes(capability)) : []);
    this.#typingTimeoutMs = typeof timeoutMs === 'number' && timeoutMs > 0 ? timeoutMs : undefined;
  }
}
