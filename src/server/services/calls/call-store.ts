import * as v from 'valibot';
import type { Clock } from '../../../lib/clock.ts';
import { errorFields, type Logger } from '../../../lib/logger.ts';
import { callParticipantSchema } from '../../../protocol/calls.ts';
import { CALL_END_REASONS, CALL_FAILURES, CALL_TYPES } from '../../../protocol/constants.ts';
import type { CallRecord } from '../../cluster/call-record.ts';
import {
  deleteCall,
  hasSharedCalls,
  storeCall,
  storedCalls,
  touchCalls,
  unshareCalls,
} from '../../store/queries/calls.ts';
import { CALLS_WRITE } from '../../store/write-keys.ts';
import type { Store } from '../../store/store.ts';

/** Interval in which it is recorded that this process holds its calls: how exact the end of a lost call is. */
const TOUCH_INTERVAL_MS = 15_000;

/** A call of an earlier process. */
export interface StoredCall {
  readonly record: CallRecord;
  /** Time at which the earlier process last held the call. */
  readonly seenAt: number;
}

/** Dependencies of {@link CallStore}. */
export interface CallStoreDeps {
  store: Pick<Store, 'read' | 'write'>;
  clock: Clock;
  logger: Logger;
}

/**
 * Writes calls to the database behind the process that holds them, so that the next process can take them up. Changes of
 * one call are written in order, and those that arrive during a write as one. A failed write is logged: the call goes on.
 */
export class CallStore {
  readonly #deps: CallStoreDeps;
  readonly #versions = new Map<string, number>();
  /** By call: the newest state that is not being written yet; `undefined` deletes the call. */
  readonly #waiting = new Map<string, CallRecord | undefined>();
  readonly #writing = new Map<string, Promise<void>>();
  #cancelTouch: (() => void) | undefined;
  #closed = false;

  constructor(deps: CallStoreDeps) {
    this.#deps = deps;
  }

  /** Reads the calls of an earlier process. Malformed ones are skipped. */
  async load(): Promise<readonly StoredCall[]> {
    const { store } = this.#deps;
    if (await store.read(hasSharedCalls)) await store.write(unshareCalls);
    const rows = await store.read(storedCalls);
    return rows.flatMap(({ id, state, version, seenAt }) => {
      this.#versions.set(id, version);
      this.#touchLater();
      const record = parseRecord(state);
      if (record !== undefined) return [{ record, seenAt: Date.parse(seenAt) }];
      this.#deps.logger.error('skipped a stored call that is malformed', { callId: id });
      return [];
    });
  }

  /** Writes a call. */
  save(record: CallRecord): void {
    this.#enqueue(record.id, record);
    this.#touchLater();
  }

  /** Deletes a call. */
  remove(callId: string): void {
    this.#enqueue(callId, undefined);
  }

  /** Resolves when the changes of a call have been written. Never rejects. */
  async saved(callId: string): Promise<void> {
    await this.#writing.get(callId);
  }

  /** Stops the timer and writes nothing more than what is waiting. */
  close(): void {
    this.#closed = true;
    this.#cancelTouch?.();
  }

  #enqueue(callId: string, record: CallRecord | undefined): void {
    if (this.#closed) return;
    this.#waiting.set(callId, record);
    if (!this.#writing.has(callId)) this.#writing.set(callId, this.#writeAll(callId));
  }

  async #writeAll(callId: string): Promise<void> {
    while (this.#waiting.has(callId)) {
      const record = this.#waiting.get(callId);
      this.#waiting.delete(callId);
      try {
        await (record === undefined ? this.#delete(callId) : this.#write(record));
      } catch (error) {
        this.#deps.logger.error('failed to store a call', { callId, ...errorFields(error) });
      }
    }
    this.#writing.delete(callId);
  }

  async #write(record: CallRecord): Promise<void> {
    const { store, logger } = this.#deps;
    const { id } = record;
    const version = (this.#versions.get(id) ?? 0) + 1;
    const state = JSON.stringify(record);
    const isStored = await store.write(
      () => storeCall({ id, state, version, seenAt: this.#now() }),
      undefined,
      CALLS_WRITE,
    );
    if (isStored) this.#versions.set(id, version);
    else logger.error('a call was changed by another process', { callId: id });
  }

  async #delete(callId: string): Promise<void> {
    this.#versions.delete(callId);
    await this.#deps.store.write(() => deleteCall(callId), undefined, CALLS_WRITE);
  }

  #touchLater(): void {
    if (this.#closed || this.#cancelTouch !== undefined) return;
    this.#cancelTouch = this.#deps.clock.after(TOUCH_INTERVAL_MS, () => {
      this.#cancelTouch = undefined;
      if (this.#versions.size === 0) return;
      this.#touchLater();
      this.#deps.store
        .write(() => touchCalls(this.#now()), undefined, CALLS_WRITE)
        .catch((error: unknown) => this.#deps.logger.warn('failed to touch the stored calls', errorFields(error)));
    });
  }

  #now(): string {
    return new Date(this.#deps.clock.now()).toISOString();
  }
}

const time = v.pipe(v.number(), v.finite());
const recordSchema = v.object({
  id: v.string(),
  conversationId: v.string(),
  type: v.picklist(CALL_TYPES),
  callerId: v.string(),
  clientId: v.optional(v.string()),
  state: v.picklist(['initiating', 'ringing', 'connecting', 'connected', 'ended']),
  startedAt: time,
  answeredAt: v.optional(time),
  endedAt: v.optional(time),
  endReason: v.optional(v.picklist(CALL_END_REASONS)),
  endDetail: v.optional(v.picklist(CALL_FAILURES)),
  aloneSince: v.optional(time),
  heldUntil: v.optional(time),
  seats: v.array(
    v.pipe(
      v.object({
        ...callParticipantSchema.entries,
        socketId: v.optional(v.string()),
        processId: v.optional(v.string()),
        away: v.optional(v.object({ until: time, reason: v.optional(v.picklist(CALL_END_REASONS)) })),
      }),
      v.transform((seat) => ({ ...seat, socketId: seat.socketId })),
    ),
  ),
  invitations: v.array(
    v.object({
      userId: v.string(),
      answer: v.picklist(['pending', 'accepted', 'rejected', 'busy', 'missed']),
      at: v.optional(time),
      waiting: v.optional(v.boolean()),
      silent: v.optional(v.boolean()),
    }),
  ),
});

/** Parses a stored record; `undefined` if it is malformed. */
export function parseRecord(json: string): CallRecord | undefined {
  try {
    const parsed = v.safeParse(recordSchema, JSON.parse(json));
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined;
  }
}
