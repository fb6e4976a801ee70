import * as v from 'valibot';
import { errorFields, type Logger } from '../../lib/logger.ts';
import { envelopeSchema, type SessionInitPush } from '../../protocol/encryption.ts';
import { mailboxPage, type Entry, type Page } from '../store/mailbox.ts';
import { isUnavailable } from '../store/outages.ts';
import type { Store } from '../store/store.ts';
import type { Caller, Hub } from './ports.ts';

const PAGE = { maxEntries: 100, maxBytes: 512 * 1_024 } as const;

export interface MailboxLinesDeps {
  readonly store: Store;
  readonly hub: Pick<Hub, 'toSocket'>;
  readonly logger: Logger;
  /** What was stored before has expired. */
  readonly since: () => string;
}

/**
 * How far one socket has been handed what waits for its user.
 *
 * behind ── all of it has been pushed ──► live: what is stored from now on is pushed at once
 */
interface Line {
  readonly userId: string;
  readonly socketId: string;
  live: boolean;
  reading: boolean;
  /** The last entry that was looked at. */
  cursor: number;
  /** Pushed while behind, and not acknowledged yet. */
  readonly open: Set<number>;
  /** The next page goes out when no more than this are open. */
  enough: number;
}

/**
 * The sockets with the capability `mailbox`. Pages are read among the writes and not beside them: what follows a commit
 * happens in the order of the commits, so that between the last page and what is stored after it nothing is lost or
 * overtakes.
 */
export class MailboxLines {
  readonly #deps: MailboxLinesDeps;
  readonly #byUser = new Map<string, Map<string, Line>>();

  constructor(deps: MailboxLinesDeps) {
    this.#deps = deps;
  }

  connected({ userId, socketId, caps }: Caller): void {
    if (socketId === undefined || !caps.has('mailbox')) return;
    const line: Line = { userId, socketId, live: false, reading: false, cursor: 0, open: new Set(), enough: 0 };
    const lines = this.#byUser.get(userId) ?? new Map<string, Line>();
    this.#byUser.set(userId, lines.set(socketId, line));
    this.#handOver(line);
  }

  /** Twice is once. */
  disconnected({ userId, socketId }: Caller): void {
    const lines = this.#byUser.get(userId);
    if (socketId !== undefined) lines?.delete(socketId);
    if (lines?.size === 0) this.#byUser.delete(userId);
  }

  /** Something new is in the database. */
  stored(userId: string, id: number, data: SessionInitPush): void {
    for (const line of this.#linesOf(userId)) {
      if (line.live) this.#push(line, id, data);
      else this.#handOver(line);
    }
  }

  acknowledged(userId: string, ids: readonly number[]): void {
    for (const line of this.#linesOf(userId)) {
      for (const id of ids) line.open.delete(id);
      this.#handOver(line);
    }
  }

  #linesOf(userId: string): Iterable<Line> {
    return this.#byUser.get(userId)?.values() ?? [];
  }

  #handOver(line: Line): void {
    if (line.live || line.reading || line.open.size > line.enough) return;
    line.reading = true;
    const { store, logger, since } = this.#deps;
    store
      .write(
        () => mailboxPage(line.userId, { ...PAGE, after: line.cursor, since: since() }),
        (page) => this.#pushPage(line, page),
      )
      .catch((error: unknown) => {
        // Tried again with the next envelope or acknowledgement, or on the next connection.
        line.reading = false;
        if (!isUnavailable(error)) logger.warn('a mailbox could not be read', errorFields(error));
      });
  }

  #pushPage(line: Line, { entries, upTo, last }: Page): void {
    line.reading = false;
    line.cursor = upTo;
    line.live = last;
    if (this.#byUser.get(line.userId)?.get(line.socketId) !== line) return;
    const readable = entries.flatMap((entry) => pushOf(entry) ?? []);
    for (const [id, data] of readable) {
      if (!last) line.open.add(id);
      this.#push(line, id, data);
    }
    if (last) return line.open.clear();
    // Half of this page; what a client leaves open of an earlier one holds up nothing.
    line.enough = line.open.size - Math.ceil(readable.length / 2);
    // Where nothing of it could be pushed, nothing of it will be acknowledged.
    this.#handOver(line);
  }

  #push({ socketId }: Line, id: number, data: SessionInitPush): void {
    const push = { event: 'encryption:session-init', data: { ...data, mailboxId: String(id) } } as const;
    this.#deps.hub.toSocket(socketId, push);
  }
}

/** What a newer or an older version of us has stored may be nothing that a client of this one takes. */
function pushOf({ id, senderId, envelope: json }: Entry): [[id: number, data: SessionInitPush]] | undefined {
  const result = v.safeParse(envelopeSchema, JSON.parse(json));
  if (!result.success) return undefined;
  return [[id, { senderId, sessionId: result.output.sessionId, envelope: result.output }]];
}
