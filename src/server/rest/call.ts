import type { AuthRequest } from '../auth.ts';

/** A request as the routes see it, whichever HTTP stack it came in by. */
export interface RestCall {
  readonly method: string;
  readonly url: URL;
  /** Names in lower case. */
  readonly headers: AuthRequest['headers'];
  /** Asked for at most once, by routes that have a body. */
  readonly body: () => AsyncIterable<Uint8Array>;
}
/** An answer: its JSON as text, so that it can leave in one piece. */
export interface RestReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}
/** Never rejects. */
export type AnswerRest = (call: RestCall) => Promise<RestReply>;
