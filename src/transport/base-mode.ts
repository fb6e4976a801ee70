import type { Clock } from '../lib/clock.ts';
import { CommError } from '../protocol/errors.ts';
import type { PushName, RequestName, RequestOf, ResponseOf } from '../protocol/events.ts';
import { fields } from './fields.ts';
import { parseConversation, parseId, parseMessage } from './parse-rows.ts';
import type { RequestOptions, Requester, RequestChannel } from './request-channel.ts';

/** A request that waits for a push. */
interface Expectation {
  /** Returns `true` if the push answers the request. */
  matches(event: string, data: unknown): boolean;
  resolve(data: unknown): void;
  reject(error: Error): void;
}

/** The push by which a base server shows the effect of each request. Other requests have no observable effect. */
type Echoes = {
  readonly [K in RequestName]?: {
    readonly event: PushName;
    matches(request: RequestOf<K>, data: Readonly<Record<string, unknown>>, userId: string): boolean;
    parse?(data: unknown): ResponseOf<K> | undefined;
  };
};

const concerns = (request: { messageId: string }, data: Readonly<Record<string, unknown>>): boolean =>
  parseId(data['messageId'] ?? data['id']) === request.messageId;

const ECHOES: Echoes = {
  'message:send': {
    event: 'message:new',
    // The push doesn't identify the request, so the first own message with the same text in the conversation is taken.
    matches: (request, data, userId) => {
      const message = parseMessage(data);
      return (
        message?.senderId === userId &&
        message.conversationId === request.conversationId &&
        message.type === request.type &&
        (request.encrypted === true
          ? message.envelope?.ciphertext === request.envelope?.ciphertext
          : message.content === request.content)
      );
    },
    parse: parseMessage,
  },
  'message:forward': {
    event: 'message:forwarded',
    matches: (request, data, userId) =>
      parseId(data['senderId']) === userId &&
      data['conversationId'] === request.toConversationId &&
      parseId(fields(data['forwardedFrom'])?.['messageId']) === request.messageId,
    parse: parseMessage,
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
    matches: (_request, data, userId) => parseId(data['userId']) === userId,
  },
  'encryption:request-keys': {
    event: 'encryption:keys-response',
    matches: (request, data) => data['recipientId'] === request.recipientId,
    // Validated by the caller.
    parse: (data) => data as ResponseOf<'encryption:request-keys'>,
  },
  // The push doesn't identify the request, so the caller sends one at a time.
  'file:request-upload': {
    event: 'file:upload-ready',
    matches: () => true,
    // Validated by the caller.
    parse: (data) => data as ResponseOf<'file:request-upload'>,
  },
  'conversation:create': {
    event: 'conversation:new',
    matches: (request, data) => {
      const conversation = parseConversation(data);
      const members = new Set(conversation?.participants.map(({ userId }) => userId));
      return (
        conversation?.type === request.type &&
        (conversation.name ?? '') === (request.name ?? '') &&
        request.participantIds.every((id) => members.has(id))
      );
    },
    parse: parseConversation,
  },
};

/** The answer to a request for which a base server pushes no object. Callers validate answers. */
const NOTHING: unknown = null;

/** Requests that base servers don't implement. */
const MISSING: ReadonlySet<RequestName> = new Set<RequestName>([
  'conversation:update',
  'conversation:browse',
  'conversation:enter',
  'conversation:ban',
  'conversation:add-participants',
  'conversation:remove-participant',
  'conversation:set-role',
]);

/** A base server drops messages without text: for a file without a caption, its name is sent. */
function withPlaceholder<T extends object>(payload: T): T {
  const { content, attachment }: Partial<RequestOf<'message:send'>> = payload;
  return content === '' && attachment !== undefined ? { ...payload, content: attachment.fileName } : payload;
}

/** A feature of LumenJS that crashes its server unless the app has added columns to LumenJS's tables. */
export type BaseServerFeature = 'archive' | 'mute' | 'pin' | 'forward' | 'calls';

/** The requests that make a LumenJS server with its own tables crash, by the feature that they belong to. */
const CRASHING: { readonly [K in RequestName]?: BaseServerFeature } = {
  'conversation:archive': 'archive',
  'conversation:mute': 'mute',
  'conversation:pin': 'pin',
  'message:forward': 'forward',
  // The crash comes with the call's log when it ends.
  'call:initiate': 'calls',
  'call:hangup': 'calls',
};

/**
 * Sends requests to a base server, which doesn't acknowledge them. The push that shows the effect is taken as the answer.
 * A base server's rejection doesn't identify the request, so a rejected request ends with `TIMEOUT`. Requests without an
 * observable effect resolve when they are sent.
 */
export class BaseModeRequester implements Requester {
  readonly #channel: RequestChannel;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #userId: () => string;
  readonly #supports: ReadonlySet<BaseServerFeature>;
  readonly #expected = new Set<Expectation>();
  readonly #joined = new Set<string>();

  /** @param supports - features that would crash a LumenJS server with its own tables, and that this one has */
  constructor(
    channel: RequestChannel,
    clock: Clock,
    timeoutMs: number,
    userId: () => string,
    supports: readonly BaseServerFeature[] = [],
  ) {
    this.#channel = channel;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#userId = userId;
    this.#supports = new Set(supports);
  }

  /** Rejects all pending requests with `DISCONNECTED`. Called when the connection is lost. */
  closed(): void {
    this.#joined.clear();
    for (const expectation of this.#expected) {
      expectation.reject(new CommError('DISCONNECTED', 'The connection was lost before the answer arrived'));
    }
  }

  /** Resolves the oldest request that the push answers. */
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
    if (MISSING.has(name)) throw new CommError('UNSUPPORTED', `The server does not support ${name}`);
    this.#requireSupport(name, payload);
    if (!this.#channel.up) throw new CommError('DISCONNECTED', 'Not connected');
    this.#enterRoom(name, payload);
    const echo: Echoes[K] = ECHOES[name];
    if (echo === undefined) {
      this.#channel.send(name, payload);
      return NOTHING as ResponseOf<K>;
    }
    const answer = this.#expect(
      (event, data) => event === echo.event && echo.matches(payload, fields(data) ?? {}, this.#userId()),
      `No effect of ${name} within ${timeoutMs} ms`,
      timeoutMs,
      signal,
    );
    this.#channel.send(name, withPlaceholder(payload));
    const data = await answer;
    return (echo.parse?.(data) ?? NOTHING) as ResponseOf<K>;
  }

  /** @throws CommError `UNSUPPORTED` if the request would crash the server */
  #requireSupport(name: RequestName, payload: object): void {
    const accepts = name === 'call:respond' && 'action' in payload && payload.action === 'accept';
    const feature = accepts ? 'calls' : CRASHING[name];
    if (feature === undefined || this.#supports.has(feature)) return;
    throw new CommError('UNSUPPORTED', `${name} makes a LumenJS server with its own tables crash`, {
      fix: `If its tables are extended, set the option baseServer: { supports: ['${feature}'] }.`,
    });
  }

  /** Joins the conversation's room first: a base server pushes only to rooms and removes a socket from them on disconnect. */
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
      this.#channel.send('conversation:join', { conversationId: id });
    }
  }

  #expect(
    matches: Expectation['matches'],
    timeoutMessage: string,
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
      // An aborted request keeps no expectation, so that its late push can't answer the next one.
      const onAbort = (): void => expectation.reject(signal?.reason as Error);
      const stopTimer = this.#clock.after(timeoutMs, () =>
        expectation.reject(new CommError('TIMEOUT', timeoutMessage)),
      );
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#expected.add(expectation);
    });
  }
}
