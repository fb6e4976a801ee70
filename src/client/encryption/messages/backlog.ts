import { BoundedSet } from '../../../lib/bounded-map.ts';
import { isCommError } from '../../../protocol/errors.ts';
import type { Message } from '../../../protocol/messages.ts';
import { type Keystore, RECORDS } from '../keystore/keystore.ts';
import { parsePlaintext } from '../keystore/plaintexts.ts';

/** A page of history to read. Reading it decrypts its messages, oldest first. */
export interface BacklogQuery {
  conversationId: string;
  limit: number;
  before?: string | undefined;
  after?: string | undefined;
}

/** What {@link Backlog} needs of other parts. */
export interface BacklogPorts {
  page(query: BacklogQuery): Promise<{ messages: Message[]; hasOlder: boolean; hasNewer: boolean }>;
  /** Shows a message that could not be decrypted before and is decrypted now. */
  messageUpdated(message: Message): void;
  /** Tries the undecrypted messages of a sender again. */
  retrySender(keystore: Keystore, senderId: string): void;
  /** The messages can't be decrypted although all before them were read. */
  sessionLost(keystore: Keystore, senderId: string): void;
}

const PAGE_SIZE = 200;
/** Bounds the work for one backlog: 100,000 messages. */
const MAX_PAGES = 500;
const MAX_REMEMBERED = 1_000;

/**
 * Decrypts the messages that a user has missed, in their order. A chain skips at most 1,000 messages, so after a longer absence
 * the newest ones can be decrypted only after those before them.
 */
export class Backlog {
  readonly #ports: BacklogPorts;
  readonly #running = new Set<string>();
  readonly #finished = new BoundedSet<string>(MAX_REMEMBERED);
  /** Ids of the messages that were shown as a gap. */
  readonly #waiting = new BoundedSet<string>(MAX_REMEMBERED);

  constructor(ports: BacklogPorts) {
    this.#ports = ports;
  }

  /** Call with a message that skips too many others. Reads its conversation once per connection; then the session is lost. */
  async read(keystore: Keystore, { id, conversationId, senderId }: Message): Promise<void> {
    this.#waiting.add(id);
    const key = JSON.stringify([conversationId, senderId]);
    if (this.#running.has(key)) return;
    if (this.#finished.has(key)) return this.#ports.sessionLost(keystore, senderId);
    this.#running.add(key);
    try {
      await this.#readAll(conversationId, await newestPlaintext(keystore, conversationId, senderId));
      this.#finished.add(key);
    } catch (error) {
      // A retryable error means that the connection is lost: the next message starts again.
      if (!isCommError(error) || !error.retryable) this.#finished.add(key);
      throw error;
    } finally {
      this.#running.delete(key);
      this.#ports.retrySender(keystore, senderId);
    }
  }

  /** Call when the connection is lost: there may be another backlog after the reconnect. */
  clear(): void {
    this.#finished.clear();
  }

  /** Reads a conversation from after a message, or from its start, to its end. */
  async #readAll(conversationId: string, from: string | undefined): Promise<void> {
    let after = from ?? (await this.#oldestPage(conversationId));
    for (let pages = 0; after !== undefined && pages < MAX_PAGES; pages += 1) {
      const { messages, hasNewer } = await this.#ports.page({ conversationId, limit: PAGE_SIZE, after });
      for (const message of messages) {
        if (message.undecrypted === undefined && this.#waiting.has(message.id)) this.#ports.messageUpdated(message);
      }
      after = hasNewer ? messages.at(-1)?.id : undefined;
    }
  }

  /** Reads back to the oldest page. Returns the id of the last message in it. */
  async #oldestPage(conversationId: string): Promise<string | undefined> {
    let page = await this.#ports.page({ conversationId, limit: PAGE_SIZE });
    for (let pages = 0; page.hasOlder && pages < MAX_PAGES; pages += 1) {
      page = await this.#ports.page({ conversationId, limit: PAGE_SIZE, before: page.messages[0]?.id });
    }
    return page.messages.at(-1)?.id;
  }
}

/** Returns the id of the newest decrypted message of a sender in a conversation. */
async function newestPlaintext({ records }: Keystore, cid: string, senderId: string): Promise<string | undefined> {
  const prefix = RECORDS.plaintext('');
  let newest: { id: string; createdAt: string } | undefined;
  for (const [name, value] of await records.listJson(prefix)) {
    const plaintext = parsePlaintext(value);
    if (plaintext?.cid !== cid || plaintext.senderId !== senderId) continue;
    const { createdAt = '' } = plaintext;
    if (newest === undefined || createdAt > newest.createdAt)
      newest = { id: decodeURIComponent(name.slice(prefix.length)), createdAt };
  }
  return newest?.id;
}
