import { BATCH_LIMITS } from '../../protocol/batches.ts';
import { CommError, errorBodyOf } from '../../protocol/errors.ts';
import type { Reply } from '../../protocol/events.ts';
import { sendMessageSchema, type SendMessage } from '../../protocol/messages.ts';
import { parseInput } from '../parse-input.ts';
import { briefly } from './brief-message.ts';
import { invalid } from '../services/errors.ts';
import { payloadBytes } from '../services/limits/request-work.ts';
import { bytesOf } from '../services/chat/sync-budget.ts';
import { defineHandler, loggedErrorBody, type RequestContext, type RequestSource } from './define-handler.ts';
import { chargeSend, onBatchedDelivered, onMessageRead, stopTyping } from './messages.ts';

/**
 * The requests of a batch that are handled one by one. Only requests whose answers aren't much larger than themselves may
 * be in a batch, besides those that may be repeated.
 */
const HANDLERS = new Map(
  [onMessageRead, onBatchedDelivered].map((handler) => [handler.name as string, handler] as const),
);

/**
 * Size of all replies of a batch in bytes of JSON: less than a socket may leave unread. A stored message that a repeated
 * request is answered with can be larger than the request.
 */
const MAX_REPLY_BYTES = 786_432;
/** JSON has at most this number of bytes per byte of UTF-8: a control character is written as `\u0001`. */
const MAX_ESCAPED = 6;
/** Time in ms after which a request may be repeated whose reply found no room. */
const RETRY_AFTER_MS = 100;

/**
 * Handles `batch`: handles each request as if it had been sent alone, and replies to all of them at once. Messages that
 * follow each other are stored together.
 */
export const onBatch = defineHandler(
  'batch',
  async (context, { requests, brief = false }) => {
    if (context.bytes > BATCH_LIMITS.batchBytes) {
      throw invalid(`requests must have at most ${BATCH_LIMITS.batchBytes} bytes together`);
    }
    const source = withoutBytes(context.source);
    const replies: Promise<Reply<unknown> | readonly Reply<unknown>[]>[] = [];
    // Sends are started when a request of another kind follows, so that the requests keep their order.
    let sends: unknown[] = [];
    const startSends = (): void => {
      if (sends.length > 0) replies.push(sendAll({ ...context, source }, sends, brief));
      sends = [];
    };
    for (const { name, payload } of requests) {
      if (name === 'message:send') sends.push(payload);
      else {
        startSends();
        replies.push(handleAlone(source, name, payload));
      }
    }
    startSends();
    return bounded((await Promise.all(replies)).flat());
  },
  {
    toPush: () => ({
      event: 'error',
      data: {
        ...errorBodyOf(invalid('batch must be sent with an acknowledgement, which has the replies')),
        event: 'batch',
      },
    }),
  },
);

/** The bytes were charged with the batch. */
function withoutBytes(source: RequestSource): RequestSource {
  const { services, logger, tracer, caller } = source;
  return {
    services,
    logger,
    tracer,
    caller,
    charge: (by, work) => source.charge(by, work, 0),
    nextTurn: (by) => source.nextTurn(by),
    refused: (code) => source.refused(code),
    push: (push) => source.push(push),
  };
}

function handleAlone(source: RequestSource, name: string, payload: unknown): Promise<Reply<unknown>> {
  const handler = HANDLERS.get(name);
  return new Promise((resolve) => {
    if (handler !== undefined) void handler.handle(source, [payload, resolve]);
    else resolve(rejection(source, new CommError('UNSUPPORTED', 'A batch must not contain this request')));
  });
}

async function sendAll(
  context: RequestContext,
  payloads: readonly unknown[],
  brief: boolean,
): Promise<readonly Reply<unknown>[]> {
  const { source, caller, services } = context;
  const accepted: SendMessage[] = [];
  const replies = payloads.map((payload): Reply<unknown> | undefined => {
    try {
      source.charge(caller, 1, 0);
      const request = parseInput(sendMessageSchema, payload);
      chargeSend(context, request);
      accepted.push(request);
      return undefined;
    } catch (error) {
      return rejection(source, error);
    }
  });
  const sent = await services.sending.sendAll(caller, accepted);
  const stored = sent.flatMap((each) => (each.status === 'fulfilled' ? [each.value.conversationId] : []));
  for (const conversationId of new Set(stored)) stopTyping(context, conversationId);
  let place = 0;
  return replies.map((refused) => {
    if (refused !== undefined) return refused;
    const [outcome, request] = [sent[place], accepted[place]];
    place += 1;
    if (outcome?.status !== 'fulfilled') return rejection(source, outcome?.reason);
    const { value: message } = outcome;
    return { ok: true, data: brief && request !== undefined ? briefly(message, request) : message };
  });
}

function rejection(source: RequestSource, cause: unknown): Reply<never> {
  const error = loggedErrorBody(cause, 'batch', source.logger);
  source.refused(error.code);
  return { ok: false, error };
}

/** All these requests may be repeated: answers that don't fit are left out. The first one always fits. */
function bounded(replies: readonly Reply<unknown>[]): Reply<unknown>[] {
  if (payloadBytes(replies) * MAX_ESCAPED <= MAX_REPLY_BYTES) return [...replies];
  let bytes = 0;
  const full = errorBodyOf(
    new CommError('RATE_LIMITED', 'The replies of the batch are too large', { retryAfterMs: RETRY_AFTER_MS }),
  );
  return replies.map((reply, at) => {
    bytes += bytesOf(reply) + 1;
    return at === 0 || bytes <= MAX_REPLY_BYTES ? reply : { ok: false, error: full };
  });
}
