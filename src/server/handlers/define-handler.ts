import * as v from 'valibot';
import { errorFields, type Logger } from '../../lib/logger.ts';
import {
  CommError,
  isCommError,
  SERVER_ERROR_CODES,
  type ErrorBody,
  type ServerErrorCode,
} from '../../protocol/errors.ts';
import { type Push, type Reply, type RequestName, type RequestOf, type ResponseOf } from '../../protocol/events.ts';
import type { Caller } from '../services/ports.ts';
import type { Services } from '../services/services.ts';
import { REQUEST_SCHEMAS } from '../../protocol/schemas.ts';

/** What a handler needs of the socket that a request came in on. */
export interface RequestSource {
  readonly services: Services;
  readonly logger: Logger;
  /** Who asks; a promise until the connection stands, rejected where it never will. */
  readonly caller: Caller | Promise<Caller>;
  /** Counts an event, or what one costs beyond itself. @throws CommError `RATE_LIMITED` */
  countEvent(tokens?: number): void;
  push(push: Push): void;
}

export interface RequestContext {
  readonly caller: Caller;
  readonly services: Services;
}

interface HandlerOptions<K extends RequestName> {
  /** What a large request takes of its sender's flood limit, beyond the one of every request. */
  cost?: (request: RequestOf<K>) => number;
  /** How the base protocol answers, where it does so by a push: only callers without an acknowledgement get it. */
  answered?: (data: ResponseOf<K>) => Push;
  refused?: (error: ErrorBody, request: RequestOf<K> | undefined) => Push | undefined;
}

export interface RequestHandler<K extends RequestName> {
  readonly name: K;
  /** Resolves when the request has been answered. Never rejects, whatever the arguments are. */
  handle(source: RequestSource, args: readonly unknown[]): Promise<void>;
}

/** Validates, runs and answers. The services authorize. Nothing that a peer sends can throw past it. */
export function defineHandler<K extends RequestName>(
  name: K,
  run: (context: RequestContext, request: RequestOf<K>) => ResponseOf<K> | Promise<ResponseOf<K>>,
  options: HandlerOptions<K> = {},
): RequestHandler<K> {
  const schema: v.GenericSchema<unknown, RequestOf<K>> = REQUEST_SCHEMAS[name].req;
  return {
    name,
    async handle(source, args) {
      const acknowledge = acknowledgementOf(args);
      const payload = typeof args[0] === 'function' ? undefined : args[0];
      let request: RequestOf<K> | undefined;
      try {
        source.countEvent();
        request = parse(schema, payload);
        const cost = options.cost?.(request) ?? 0;
        if (cost > 0) source.countEvent(cost);
        // Awaited only where it has to be, so that requests run in the order in which they came.
        const caller = source.caller instanceof Promise ? await source.caller : source.caller;
        const data = await run({ caller, services: source.services }, request);
        if (acknowledge !== undefined) acknowledge({ ok: true, data });
        else if (options.answered !== undefined) source.push(options.answered(data));
      } catch (error) {
        const body = errorBody(error, name, source.logger);
        if (acknowledge !== undefined) acknowledge({ ok: false, error: body });
        else source.push(options.refused?.(body, request) ?? refusal(name, body, payload));
      }
    },
  };
}

/** For what is no request of the protocol: a newer client's, perhaps. */
export function refuseUnknown(source: Pick<RequestSource, 'push'>, args: readonly unknown[]): void {
  const acknowledge = acknowledgementOf(args);
  const body: ErrorBody = { code: 'UNSUPPORTED', message: 'This server does not know the request' };
  if (acknowledge !== undefined) acknowledge({ ok: false, error: body });
  else source.push({ event: 'error', data: body });
}

/** Socket.IO hands it over as a function, which nothing else on the wire can be. */
function acknowledgementOf(args: readonly unknown[]): ((reply: Reply<unknown>) => void) | undefined {
  return args.findLast((arg): arg is (reply: Reply<unknown>) => void => typeof arg === 'function');
}

function parse<T>(schema: v.GenericSchema<unknown, T>, payload: unknown): T {
  const result = v.safeParse(schema, payload, { abortEarly: true });
  if (result.success) return result.output;
  // Only the field and the rule: what was received may be large, and is nobody's business but the sender's.
  const [issue] = result.issues;
  const field = issue.path?.[0]?.key;
  const innermost = issue.path?.at(-1)?.key;
  if ((innermost === 'content' || innermost === 'ciphertext') && issue.type === 'max_length') {
    throw new CommError('MESSAGE_TOO_LONG', 'The message is too long');
  }
  throw new CommError('INVALID', typeof field === 'string' ? `${field} is not valid` : 'The payload is not valid');
}

/** Only codes that a server may answer with; whatever else went wrong stays in the log. */
function errorBody(error: unknown, name: RequestName, logger: Logger): ErrorBody {
  if (isCommError(error) && isServerCode(error)) {
    const { code, message, retryAfterMs } = error;
    return { code, message, ...(retryAfterMs !== undefined && { retryAfterMs }) };
  }
  logger.error('a request failed', { event: name, ...errorFields(error) });
  return { code: 'INTERNAL', message: 'The server failed' };
}

function isServerCode(error: CommError): error is CommError & { code: ServerErrorCode } {
  return SERVER_ERROR_CODES.some((code) => code === error.code);
}

function refusal(name: RequestName, body: ErrorBody, payload: unknown): Push {
  const clientId = clientIdOf(payload);
  const data = { ...body, event: name, ...(clientId !== undefined && { clientId }) };
  return name.startsWith('message:') ? { event: 'message:error', data } : { event: 'error', data };
}

const withClientId = v.object({ clientId: v.pipe(v.string(), v.maxLength(256)) });

function clientIdOf(payload: unknown): string | undefined {
  return v.is(withClientId, payload) ? payload.clientId : undefined;
}
