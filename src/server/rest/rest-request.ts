import type { AuthRequest } from '../auth/authenticate.ts';

/** A request, independent of the HTTP server it came in by. */
export interface RestRequest {
  readonly method: string;
  readonly url: URL;
  /** Names are lower case. */
  readonly headers: AuthRequest['headers'];
  /** Address by which the peer is counted; absent if the server doesn't know it. */
  readonly address?: string;
  /** Returns the body. Called at most once. */
  readonly body: () => AsyncIterable<Uint8Array>;
}
/** The content of a file, which is read while it is sent. */
export interface StreamedBody {
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Releases what the response holds. Must be called when the body has been sent or given up. Idempotent. */
  readonly release: () => void;
}
/** A response. A string can be written at once. */
export interface RestResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | StreamedBody;
  /** User who receives the response; `undefined` if the request was not authenticated. */
  readonly userId?: string;
}
/** Handles a REST request. Never rejects. */
export type RestDispatcher = (request: RestRequest) => Promise<RestResponse>;
