import * as v from 'valibot';
import { errorFields, type Logger } from '../../lib/logger.ts';
import { SERVER_SPAN, traced, type Tracer, type TraceSpan } from '../../lib/tracing.ts';
import { errorBodyOf, type ErrorBody, type ServerErrorCode } from '../../protocol/errors.ts';
import { type Push, type Reply, type RequestName, type RequestOf, type ResponseOf } from '../../protocol/events.ts';
import type { Caller } from '../services/ports.ts';
import type { Services } from '../services/services.ts';
import { answerFor } from '../services/chat/file-names.ts';
import { recordRefusal } from '../record-refusal.ts';
import { payloadBytes } from '../services/limits/request-work.ts';
import { parseInput } from '../parse-input.ts';
import { REQUEST_SCHEMAS } from '../../protocol/event-schemas.ts';

/** The connection that a request came in on. */
export interface RequestSource {
  readonly services: Services;
  readonly logger: Logger;
  /** Traces requests. */
  readonly tracer?: Tracer | undefined;
  /** The caller; a promise until the connection is open, which rejects if it never opens. */
  readonly caller: Caller | Promise<Caller>;
  /** Charges the caller's budgets. @throws CommError `RATE_LIMITED` */
  charge(caller: Caller, work: number, bytes: number): void;
  /**
   * Resolves in the turn of the event loop in which the caller's next request with a large answer may be handled.
   *
   * @throws CommError `RATE_LIMITED` if the caller doesn't read earlier answers, `UNAVAILABLE` if the connection is closed
   */
  nextTurn(caller: Caller): Promise<void>;
  /** Counts a rejected request. */
  refused(code: ServerErrorCode): void;
  push(push: Push): void;
}

/** What a handler receives besides the request. */
export interface RequestContext {
  readonly caller: Caller;
  readonly services: Services;
  /** The connection. */
  readonly source: RequestSource;
  /** Size of the payload; see {@link payloadBytes}. */
  readonly bytes: number;
}

interface HandlerOptions<K extends RequestName> {
  /** What a large request costs besides 1, in units of a small request. */
  work?: (request: RequestOf<K>) => number;
  /** Whether the answer can be large: then one request per user is handled in each turn of the event loop. */
  hasLargeAnswer?: boolean;
  /** Creates the push that answers a base client, which sends no acknowledgement callback. */
  toPush?: (data: ResponseOf<K>) => Push;
  /** Creates the push that reports an error to a base client; `undefined` selects the default push. */
  toErrorPush?: (error: ErrorBody, request: RequestOf<K> | undefined) => Push | undefined;
}

/** Handles one request of the protocol. */
export interface RequestHandler<K extends RequestName> {
  readonly name: K;
  /** Handles a request and replies. Never rejects, for any arguments. */
  handle(source: RequestSource, args: readonly unknown[]): Promise<void>;
}

const REQUEST = { kind: SERVER_SPAN } as const;

/**
 * Defines the handler of a request: validates the payload, runs the service and replies. The services authorize. No
 * input from a peer makes it throw.
 */
export function defineHandler<K extends RequestName>(
  name: K,
  run: (context: RequestContext, request: RequestOf<K>) => ResponseOf<K> | Promise<ResponseOf<K>>,
  options: HandlerOptions<K> = {},
): RequestHandler<K> {
  const schema: v.GenericSchema<unknown, RequestOf<K>> = REQUEST_SCHEMAS[name].req;
  const handle = async (
    source: RequestSource,
    args: readonly unknown[],
    span: TraceSpan | undefined,
  ): Promise<void> => {
    const acknowledge = acknowledgementOf(args);
    const payload = typeof args[0] === 'function' ? undefined : args[0];
    let request: RequestOf<K> | undefined;
    try {
      // Only a promise is awaited, so that requests run in the order in which they arrived.
      const caller = source.caller instanceof Promise ? await source.caller : source.caller;
      const bytes = payloadBytes(payload);
      source.charge(caller, 1, bytes);
      // Before the payload is validated, which for thousands of cursors takes as long as parsing the frame.
      if (options.hasLargeAnswer === true) await source.nextTurn(caller);
      request = parseInput(schema, payload);
      const work = options.work?.(request) ?? 0;
      if (work > 0) source.charge(caller, work, 0);
      const data = answerFor(caller, await run({ caller, services: source.services, source, bytes }, request));
      if (acknowledge !== undefined) acknowledge({ ok: true, data });
      else if (options.toPush !== undefined) source.push(options.toPush(data));
    } catch (error) {
      const body = loggedErrorBody(error, name, source.logger);
      source.refused(body.code);
      recordRefusal(span, body.code);
      if (acknowledge !== undefined) acknowledge({ ok: false, error: body });
      else source.push(options.toErrorPush?.(body, request) ?? defaultErrorPush(name, body, payload));
    }
  };
  return {
    name,
    handle: (source, args) => traced(source.tracer, name, REQUEST, (span) => handle(source, args, span)),
  };
}

/** Replies `UNSUPPORTED` to a request that isn't part of the protocol, for example one of a newer client. */
export async function rejectUnknownRequest(source: RequestSource, args: readonly unknown[]): Promise<void> {
  const acknowledge = acknowledgementOf(args);
  let body: ErrorBody = { code: 'UNSUPPORTED', message: 'This server does not support the request' };
  try {
    source.charge(await source.caller, 1, payloadBytes(args[0]));
  } catch (error) {
    body = errorBodyOf(error);
  }
  if (acknowledge !== undefined) acknowledge({ ok: false, error: body });
  else source.push({ event: 'error', data: body });
}

/** Returns the acknowledgement callback. Socket.IO passes it as a function, which no payload can contain. */
function acknowledgementOf(args: readonly unknown[]): ((reply: Reply<unknown>) => void) | undefined {
  return args.findLast((arg): arg is (reply: Reply<unknown>) => void => typeof arg === 'function');
}

/** Returns what the client may read of an error. Errors of the server are logged. */
export function loggedErrorBody(error: unknown, name: RequestName, logger: Logger): ErrorBody {
  const body = errorBodyOf(error);
  if (body.code === 'INTERNAL') logger.error('request failed', { event: name, ...errorFields(error) });
  return body;
}

function defaultErrorPush(name: RequestName, body: ErrorBody, payload: unknown): Push {
  const clientId = clientIdOf(payload);
  const data = { ...body, event: name, ...(clientId !== undefined && { clientId }) };
  return name.startsWith('message:') ? { event: 'message:error', data } : { event: 'error', data };
}

const withClientId = v.object({ clientId: v.pipe(v.string(), v.maxLength(256)) });

function clientIdOf(payload: unknown): string | undefined {
  return v.is(withClientId, payload) ? payload.clientId : undefined;
}
