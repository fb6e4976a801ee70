import type { Clock } from '../../lib/clock.ts';
import { SERVER_ERROR_CODES } from '../../protocol/errors.ts';
import { fields } from '../../transport/fields.ts';

/**
 * What a request for the diagnosis has found.
 *
 * - `engine`: an Engine.IO server answered, so that Socket.IO is served at this path.
 * - `comm`: a server of this protocol answered.
 * - `other`: another server, or a proxy, answered.
 * - `unreadable`: a server answered, but the browser doesn't let this page read the answer (CORS).
 * - `unreachable`: nothing answered. `detail` is the code of the platform, such as `ECONNREFUSED`; browsers give none.
 * - `silent`: no answer arrived in time.
 */
export type Probe =
  | { readonly found: 'engine' | 'comm' | 'other'; readonly status: number; readonly retryAfterMs?: number | undefined }
  | { readonly found: 'unreadable' | 'silent' }
  | { readonly found: 'unreachable'; readonly detail?: string | undefined };

/** What {@link probeServer} needs. */
export interface ProbeEnvironment {
  readonly fetch: typeof fetch;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

const PROBE_TIMEOUT_MS = 5_000;
/** The answers that are recognized are shorter. */
const MAX_BODY_BYTES = 4_096;
const INIT = { credentials: 'omit', cache: 'no-store' } as const;

/** Requests a URL without credentials and classifies the answer. Never rejects. */
export async function probeServer(url: string, { fetch, clock, signal }: ProbeEnvironment): Promise<Probe> {
  const timeout = new AbortController();
  const stop = clock.after(PROBE_TIMEOUT_MS, () => timeout.abort(), true);
  const init = { ...INIT, signal: AbortSignal.any([timeout.signal, signal]) };
  try {
    const response = await fetch(url, init);
    return await classify(response);
  } catch (error) {
    if (init.signal.aborted) return { found: 'silent' };
    const detail = codeOf(error);
    // CORS hides only the answers of other origins, and only from pages.
    const isHidable = typeof location !== 'undefined' && location.origin !== new URL(url).origin;
    if (detail !== undefined || !isHidable) return { found: 'unreachable', detail };
    return await fetch(url, { ...init, mode: 'no-cors' }).then(
      () => ({ found: 'unreadable' }),
      () => ({ found: init.signal.aborted ? 'silent' : 'unreachable' }),
    );
  } finally {
    stop();
  }
}

async function classify(response: Response): Promise<Probe> {
  const { status } = response;
  const body = await readJson(response);
  const { code, error } = fields(body) ?? {};
  const { retryAfterMs } = fields(error) ?? {};
  // Browsers don't show the header to pages of other origins unless the server exposes it.
  const waitMs =
    typeof retryAfterMs === 'number' ? retryAfterMs : Number(response.headers.get('retry-after') ?? 0) * 1_000;
  const answer = { status, ...(waitMs > 0 && { retryAfterMs: waitMs }) };
  // Engine.IO answers errors with a number of its own list.
  if (typeof code === 'number' && code >= 0 && code <= 5) return { found: 'engine', ...answer };
  const isOurs = SERVER_ERROR_CODES.some((each) => each === fields(error)?.['code']);
  return { found: isOurs ? 'comm' : 'other', ...answer };
}

/** Reads the beginning of a body. Returns `undefined` if it is longer or no JSON. */
async function readJson(response: Response): Promise<unknown> {
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  let text = '';
  let bytes = 0;
  for (;;) {
    const part = await reader?.read();
    if (part === undefined || part.done) break;
    bytes += part.value.length;
    if (bytes > MAX_BODY_BYTES) {
      await reader?.cancel();
      return undefined;
    }
    text += decoder.decode(part.value, { stream: true });
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** Returns the code of a system error, which Node has as the cause of the error of `fetch`. */
function codeOf(error: unknown): string | undefined {
  const code = fields(fields(error)?.['cause'])?.['code'];
  return typeof code === 'string' ? code : undefined;
}
