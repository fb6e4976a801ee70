import type { IncomingMessage, Server as HttpServer } from 'node:http';
import { urlOf } from './node-http.ts';

/** Options of {@link limitRequestTime}. */
export interface RequestTimeOptions {
  /** Time in ms in which the body of a request must arrive. */
  readonly timeoutMs: number;
  /** Path prefix of uploads, which may take longer and have a limit of their own on the time without bytes. */
  readonly uploads: string;
}

/**
 * Closes connections whose requests don't arrive in time. Node's own `requestTimeout` can't exempt uploads. Call it after
 * every other listener was added.
 */
export function limitRequestTime(http: HttpServer, { timeoutMs, uploads }: RequestTimeOptions): void {
  http.prependListener('request', (incoming: IncomingMessage) => {
    const { headers } = incoming;
    if (headers['content-length'] === undefined && headers['transfer-encoding'] === undefined) return;
    if (urlOf(incoming)?.pathname.startsWith(uploads) === true) return;
    const timer = setTimeout(() => incoming.destroy(), timeoutMs);
    const stop = (): void => clearTimeout(timer);
    incoming.once('end', stop);
    incoming.once('close', stop);
  });
}
