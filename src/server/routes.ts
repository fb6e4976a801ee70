import { createIdentify, type IdentifyOptions } from './auth.ts';
import { coreOf, type CoreOptions } from './core.ts';
import { restAnswers } from './rest/answer.ts';

/** What the routes serve, and how they know who asks. */
export interface CommunicationRoutesOptions extends CoreOptions, IdentifyOptions {}

/** Answers a request by the Fetch standard. Never rejects. */
export type CommunicationRoutes = (request: Request) => Promise<Response>;

/**
 * The REST routes of the protocol, by the Fetch standard: whatever has a `Request` and wants a `Response` can serve them
 * (for LumenJS's api files, which have neither, `docs/lumenjs.md` has an adapter). What isn't one of them is answered 404.
 * Given the same `db` as {@link createCommunicationHandler} they are one server: what is changed here is pushed there.
 *
 * Every error has the body `{ error: { code, message, retryAfterMs? } }`.
 */
export function createCommunicationRoutes(options: CommunicationRoutesOptions = {}): CommunicationRoutes {
  const core = coreOf(options);
  const answer = restAnswers(core, createIdentify(options, core.logger));
  return async (request) => {
    const { status, headers, body } = await answer({
      method: request.method,
      url: new URL(request.url),
      headers: Object.fromEntries(request.headers),
      body: () => request.body ?? nothing(),
    });
    return new Response(body, { status, headers });
  };
}

async function* nothing(): AsyncGenerator<Uint8Array> {
  // A request without a body.
}
