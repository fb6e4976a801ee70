import { io, type Socket } from 'socket.io-client';
import * as v from 'valibot';
import { expect } from 'vitest';
import { CAPABILITIES } from '../../../src/protocol/constants.ts';
import type { ErrorBody } from '../../../src/protocol/errors.ts';
import type { PushName, Pushes, RequestName, RequestOf, ResponseOf } from '../../../src/protocol/events.ts';
import { errorBodySchema, PUSH_SCHEMAS, REQUEST_SCHEMAS } from '../../../src/protocol/event-schemas.ts';

export interface CheckedClientOptions {
  userId?: string | undefined;
  /** Absent: everything our client can do. `null`: none offered, as a base client. */
  caps?: readonly string[] | null | undefined;
  token?: string | undefined;
  namespace?: string | undefined;
  transports?: ('websocket' | 'polling')[] | undefined;
  headers?: Record<string, string> | undefined;
}

type Reply = { ok: true; data: unknown } | { ok: false; error: ErrorBody };

const replySchema = v.variant('ok', [
  v.strictObject({ ok: v.literal(true), data: v.unknown() }),
  v.strictObject({ ok: v.literal(false), error: errorBodySchema }),
]);
const frameSchema = v.strictObject({ event: v.picklist(Object.keys(PUSH_SCHEMAS) as PushName[]), data: v.unknown() });

/**
 * Plain Socket.IO, with everything the server says held against the protocol's schemas: a push or an answer that has a
 * field too few, too many or of the wrong kind fails the test.
 */
export class CheckedClient {
  readonly socket: Socket;
  /** The numbers of pushes in the batches so far. */
  readonly batches: number[] = [];
  readonly #pushes: { event: PushName; data: unknown; taken: boolean }[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #violations: string[] = [];
  #disconnected: string | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('nk:data', (frame: unknown) => this.#pushed(frame));
    socket.on('disconnect', (reason) => {
      this.#disconnected = reason;
      this.#look();
    });
  }

  /** The names of everything pushed so far, in order. */
  get events(): PushName[] {
    return this.#pushes.map(({ event }) => event);
  }

  payloads<K extends PushName>(event: K): Pushes[K][] {
    return this.#pushes.filter((push) => push.event === event).map(({ data }) => data as Pushes[K]);
  }

  /** Resolves with the payload of the first push of that name that was not returned before. */
  next<K extends PushName>(event: K, matches: (data: Pushes[K]) => boolean = () => true): Promise<Pushes[K]> {
    return this.#when(() => {
      const found = this.#pushes.find((push) => push.event === event && !push.taken && matches(push.data as Pushes[K]));
      if (found !== undefined) found.taken = true;
      return found && (found.data as Pushes[K]);
    });
  }

  disconnected(): Promise<string> {
    return this.#when(() => this.#disconnected);
  }

  /** With an acknowledgement; throws the refusal. */
  async ask<K extends RequestName>(name: K, request: RequestOf<K>): Promise<ResponseOf<K>> {
    const reply = await this.raw(name, request);
    if (!reply.ok) throw Object.assign(new Error(`${name}: ${reply.error.message}`), { code: reply.error.code });
    this.#check(`the answer to ${name}`, REQUEST_SCHEMAS[name].res, reply.data);
    return reply.data as ResponseOf<K>;
  }

  /** With an acknowledgement, whatever is sent. */
  async raw(name: string, ...args: readonly unknown[]): Promise<Reply> {
    const reply: unknown = await this.socket.emitWithAck(`nk:${name}`, ...args);
    return v.parse(replySchema, reply);
  }

  /** The error that a request is refused with. */
  async refused(name: string, ...args: readonly unknown[]): Promise<ErrorBody> {
    const reply = await this.raw(name, ...args);
    if (reply.ok) throw new Error(`${name} was not refused`);
    return reply.error;
  }

  /** As the base protocol does it: no acknowledgement. */
  emit(name: string, ...args: readonly unknown[]): void {
    this.socket.emit(`nk:${name}`, ...args);
  }

  /** Everything the server has pushed to this socket before now is here. */
  async settled(): Promise<void> {
    await this.ask('comm:ping', {});
  }

  /** Disconnects, and fails if the server ever left the protocol. */
  close(): void {
    this.socket.disconnect();
    expect(this.#violations).toEqual([]);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #pushed(frame: unknown): void {
    const { event, data } = v.parse(frameSchema, frame);
    if (event === 'batch') {
      this.batches.push((data as Pushes['batch']).pushes.length);
      this.#check('the push batch', PUSH_SCHEMAS.batch, data);
      for (const each of (data as Pushes['batch']).pushes) this.#pushed(each);
      return;
    }
    this.#check(`the push ${event}`, PUSH_SCHEMAS[event], data);
    this.#pushes.push({ event, data, taken: false });
    this.#look();
  }

  #check(what: string, schema: v.GenericSchema<unknown, unknown>, data: unknown): void {
    const result = v.safeParse(schema, data);
    if (!result.success) this.#violations.push(`${what}: ${v.getDotPath(result.issues[0]) ?? ''} is not valid`);
    else if (!equal(result.output, data)) this.#violations.push(`${what} carries more than the protocol says`);
  }

  #when<T>(look: () => T | undefined): Promise<T> {
    return new Promise((resolve) => {
      const attempt = (): void => {
        const found = look();
        if (found === undefined) return;
        this.#waiting.delete(attempt);
        resolve(found);
      };
      this.#waiting.add(attempt);
      attempt();
    });
  }

  #look(): void {
    for (const attempt of this.#waiting) attempt();
  }
}

/** Resolves when the server serves the socket and, where capabilities were offered, has greeted it. */
export async function connectClient(url: string, options: CheckedClientOptions = {}): Promise<CheckedClient> {
  const client = new CheckedClient(openSocket(url, options));
  await new Promise<void>((resolve, reject) => {
    client.socket.once('connect', resolve);
    client.socket.once('connect_error', reject);
  });
  if (options.caps === null) await client.settled();
  else await client.next('comm:hello');
  return client;
}

export function openSocket(url: string, options: CheckedClientOptions = {}): Socket {
  const { userId, caps = CAPABILITIES, token, namespace = '/nk/messages', transports = ['websocket'] } = options;
  return io(url + namespace, {
    path: '/__nk_socketio/',
    forceNew: true,
    reconnection: false,
    transports,
    query: userId === undefined ? {} : { userId },
    auth: { ...(caps !== null && { caps }), ...(token !== undefined && { token }) },
    ...(options.headers !== undefined && { extraHeaders: options.headers }),
  });
}

function equal(one: unknown, other: unknown): boolean {
  try {
    expect(one).toEqual(other);
    return true;
  } catch {
    return false;
  }
}
