import { createIdentify, type IdentifyOptions } from './auth/authenticate.ts';
import { serverCoreFor, type ServerCoreOptions } from './server-core.ts';
import { createRestDispatcher } from './rest/dispatcher.ts';
import type { StreamedBody } from './rest/rest-request.ts';

/** Options of {@link createCommunicationRoutes}. */
export interface CommunicationRoutesOptions extends ServerCoreOptions, IdentifyOptions {}

/** Handles a Fetch API request. Never rejects. */
export type CommunicationRoutes = (request: Request) => Promise<Response>;

/**
 * Creates the REST routes of the protocol as a Fetch API handler. Requests that match no route get status 404. Routes
 * share the database and the connected sockets with every handler that is created with the same `db`: a change made by
 * REST is pushed to sockets. LumenJS's API files have no `Request` and `Response`; `docs/lumenjs.md` contains an
 * adapter.
 *
 * Every error has the body `{ error: { code, message, retryAfterMs? } }`.
 */
export function createCommunicationRoutes(options: CommunicationRoutesOptions = {}): CommunicationRoutes {
  const core = serverCoreFor(options);
  const dispatch = createRestDispatcher(core, createIdentify(options, core.logger));
  return async (request) => {
    const { status, headers, body } = await dispatch({
      method: request.method,
      url: new URL(request.url),
      headers: Object.fromEntries(request.headers),
      body: () => request.body ?? nothing(),
    });
    return new Response(typeof body === 'string' ? bodyOf(status, body) : streamOf(body), { status, headers });
  };
}

async function* nothing(): AsyncGenerator<Uint8Array> {
  // The request has no body.
}

/** The Fetch API allows no body with these statuses, not even an empty one. */
function bodyOf(status: number, body: string): string | null {
  return status === 204 || status === 304 ? null : body;
}

function streamOf({ chunks, release }: StreamedBody): ReadableStream<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]();
  return new ReadableStream({
    async pull(controller) {
      try {
        const next = await iterator.next();
        if (next.done !== true) {
          controller.enqueue(next.value);
          return;
        }
        release();
        controller.close();
      } catch (error) {
        release();
        throw error;
      }
    },
    async cancel() {
      release();
      await iterator.return?.();
    },
  });
}
