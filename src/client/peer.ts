import { type Hello } from '../protocol/hello.ts';
import { fields } from '../transport/rows.ts';
import { CAPABILITIES, type Capability } from '../protocol/vocabulary.ts';

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
  #hello: Hello | undefined;
  #caps: ReadonlySet<string> = new Set();

  constructor(optionsUserId: string | undefined) {
    this.#optionsUserId = optionsUserId;
  }

  get hello(): Hello | undefined {
    return this.#hello;
  }

  get userId(): string | undefined {
    return this.#hello?.userId ?? this.#optionsUserId;
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
    const caps = Array.isArray(row?.['caps']) ? row['caps'] : [];
    this.#hello = undefined;
    this.#caps = new Set();
    if (row === undefined || typeof userId !== 'string') return;
    const known = CAPABILITIES.filter((capability) => caps.includes(capability));
    this.#caps = new Set(known);
    const limits = fields(row['limits']);
    const limit = (name: string, fallback: number): number => {
      const value = limits?.[name];
      return typeof value === 'number' && value > 0 ? value : fallback;
    };
    this.#hello = {
      protocol: typeof row['protocol'] === 'number' ? row['protocol'] : 1,
      userId,
      caps: known,
      serverTime: typeof row['serverTime'] === 'string' ? row['serverTime'] : '',
      limits: {
        maxMessageLength: limit('maxMessageLength', Number.MAX_SAFE_INTEGER),
        maxFileSize: limit('maxFileSize', Number.MAX_SAFE_INTEGER),
        pageSize: limit('pageSize', 50),
        typingTimeoutMs: limit('typingTimeoutMs', 5_000),
      },
    };
  }
}
