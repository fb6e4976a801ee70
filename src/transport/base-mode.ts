import type { Clock } from '../lib/clock.ts';
import { CommError } from '../protocol/errors.ts';
import type { PushName, RequestName, RequestOf, ResponseOf } from '../protocol/events.ts';
import { fields } from './fields.ts';
import { readConversation, readId, readMessage } from './rows.ts';
import type { RequestOptions, Requester, Wire } from './wire.ts';

interface Expectation {
  /** True when this push is the answer. */
  matches(event: string, data: unknown): boolean;
  resolve(data: unknown): void;
  reject(error: Error): void;
}

/** How a base server shows that it did what a request asked for; what isn't here it shows by nothing. */
type Echoes = {
  readonly [K in RequestName]?: {
    readonly event: PushName;
    matches(request: RequestOf<K>, data: Readonly<Record<string, unknown>>, userId: string): boolean;
    read?(data: unknown): ResponseOf<K> | undefined;
  };
};

const concerns = (request: { messageId: string }, data: Readonly<Record<string, unknown>>): boolean =>
  readId(data['messageId'] ?? data['id']) === request.messageId;

const ECHOES: Echoes = {
  'message:send': {
    event: 'message:new',
    // Nothing names the request: the first own message with the same text in the same conversation has to be it.
    matches: (request, data, userId) => {
      const message = readMessage(data);
      return (
        message?.senderId === userId &&
        message.conversationId === request.conversationId &&
        message.type === request.type &&
        (request.encrypted === true
          ? message.envelope?.ciphertext === request.envelope?.ciphertext
          : message.content === request.content)
      );
    },
    read: readMessage,
  },
  'message:forward': {
    event: 'message:forwarded',
    matches: (request, data, userId) =>
      readId(data['senderId']) === userId &&
      data['conversationId'] === request.toConversationId &&
      readId(fields(data['forwardedFrom'])?.['messageId']) === request.messageId,
    read: readMessage,
  },
  'message:edit': { event: 'message:updated', matches: concerns },
  'message:delete': { event: 'message:deleted', matches: concerns },
  'message:react': { event: 'message:reaction-update', matches: concerns },
  'message:read': {
    event: 'read-receipt:update',
    matches: (request, data, userId) => concerns(request, data) && fields(data['readBy'])?.['userId'] === userId,
  },
  'encryption:upload-keys': {
    event: 'encryption:keys-uploaded',
    matches: (_request, data, userId) => readId(data['userId']) === userId,
  },
  'encryption:request-keys': {
    event: 'encryption:keys-response',
    matches: (request, data) => data['recipientId'] === request.recipientId,
    // Whoever asked looks closely at it.
    read: (data) => data as ResponseOf<'encryption:request-keys'>,
  },
  'conversation:create': {
    event: 'conversation:new',
    matches: (request, data) => {
      const conversation = readConversation(data);
      const members = new Set(conversation?.participants.map(({ userId }) => userId));
      return (
        conversation?.type === request.type &&
        (conversation.name ?? '') === (request.name ?? '') &&
        request.participantIds.every((id) => members.has(id))
      );
    },
    read: readConversation,
  },
};

/** All that a base server answers where it shows no object; callers read what they get. */
const NOTHING: unknown = null;

/** What a base server doesn't know at all. */
const MISSING: ReadonlySet<RequestName> = new Set<RequestName>([
  'conversation:update',
  'conversation:add-participants',
  'conversation:remove-participant',
  'conversation:set-role',
]);

/**
 * Requests to a server that acknowledges nothing: the answer is the push that shows the effect. A refusal names no
 * request there, so what was refused ends in `TIMEOUT`. Requests without an effect to be seen are taken as done once
 * they are sent.
 */
export class BaseModeRequester implements Requester {
  readonly #wire: Wire;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #userId: () => string;
  readonly #expected = new Set<Expectation>();
  readonly #joined = new Set<string>();

  constructor(wire: Wire, clock: Clock, timeoutMs: number, userId: () => string) {
    this.#wire = wire;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#userId = userId;
  }

  closed(): void {
    this.#joined.clear();
    for (const expectation of this.#expected) {
      expectation.reject(new CommError('DISCONNECTED', 'The connection ended before the server showed an effect'));
    }
  }

  /** One push answers one request: the oldest that expects it. */
  pushed(event: string, data: unknown): void {
    for (const expectation of this.#expected) {
      if (expectation.matches(event, data)) return expectation.resolve(data);
    }
  }

  async request<K extends RequestName>(
    name: K,
    payload: RequestOf<K>,
    { signal, timeoutMs = this.#timeoutMs }: RequestOptions = {},
  ): Promise<ResponseOf<K>> {
    signal?.throwIfAborted();
    if (MISSING.has(name)) throw new CommError('UNSUPPORTED', `This server doesn't know ${name}`);
    if (!this.#wire.up) throw new CommError('DISCONNECTED', 'There is no connection');
    this.#enterRoom(name, payload);
    const echo: Echoes[K] = ECHOES[name];
    if (echo === undefined) {
      this.#wire.send(name, payload);
      return NOTHING as ResponseOf<K>;
    }
    const answer = this.#expect(
      (event, data) => event === echo.event && echo.matches(payload, fields(data) ?? {}, this.#userId()),
      `${name} had no effect within ${timeoutMs} ms`,
      timeoutMs,
      signal,
    );
    this.#wire.send(name, payload);
    const data = await answer;
    return (echo.read?.(data) ?? NOTHING) as ResponseOf<K>;
  }

  /** A base server answers only into rooms, and forgets them with the connection. */
  #enterRoom(name: RequestName, payload: object): void {
    const id =
      'toConversationId' in payload
        ? payload.toConversationId
        : (payload as { conversationId?: unknown }).conversationId;
    if (typeof id !== 'string') return;
    if (name === 'conversation:leave') this.#joined.delete(id);
    else if (name === 'conversation:join') this.#joined.add(id);
    else if (!this.#joined.has(id)) {
      this.#joined.add(id);
      this.#wire.send('conversation:join', { conversationId: id });
    }
  }

  #expect(
    matches: Expectation['matches'],
    complaint: string,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        this.#expected.delete(expectation);
        stopTimer();
        signal?.removeEventListener('abort', onAbort);
      };
      const expectation: Expectation = {
        matches,
        resolve(data) {
          settle();
          resolve(data);
        },
        reject(error) {
          settle();
          reject(error);
        },
      };
      // Its effect, should there be one, must not answer the next request.
      const onAbort = (): void => expectation.reject(signal?.reason as Error);
      const stopTimer = this.#clock.after(timeoutMs, () => expectation.reject(new CommError('TIMEOUT', complaint)));
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#expected.add(expectation);
    });
  }
}
