import { BATCH_LIMITS } from '../../protocol/batches.ts';
import { commErrorFrom } from '../../protocol/errors.ts';
import type { SendMessage } from '../../protocol/messages.ts';
import { fields } from '../../transport/fields.ts';
import { unreadable, type ClientContext } from '../context.ts';

interface Entry {
  readonly request: { name: 'message:send'; payload: SendMessage };
  readonly resolve: (data: unknown) => void;
  readonly reject: (error: unknown) => void;
}

const { batchEntries, batchBytes } = BATCH_LIMITS;

/** Sends messages that are sent in one turn of the event loop in one frame. */
export interface SendBatcher {
  /** Sends a message and resolves with the answer of the server, as `Requester.request()` does. */
  send(payload: SendMessage): Promise<unknown>;
  /** Sends what waits for the end of the turn now. Call it before a request that may refer to a message. */
  flush(): void;
}

/** Creates a batcher. A single message is sent as if there were no batches. */
export function sendBatcher({ requester, cipher, userId }: ClientContext): SendBatcher {
  const waiting: Entry[] = [];
  // Of an encrypted message the client knows more than its request has.
  const brief = cipher === undefined;
  const sendAll = async (entries: readonly Entry[]): Promise<void> => {
    const requests = entries.map(({ request }) => request);
    const replies: unknown = await requester.request('batch', { requests, brief });
    if (!Array.isArray(replies) || replies.length !== entries.length) throw unreadable('response to batch');
    for (const [index, { request, resolve, reject }] of entries.entries()) {
      const { ok, data, error } = fields((replies as readonly unknown[])[index]) ?? {};
      if (ok !== true) reject(commErrorFrom(error));
      else if (brief) resolve(completed(data, request.payload, userId()));
      else resolve(cipher?.current?.open(data, true, request.name, request.payload) ?? data);
    }
  };
  const flush = (): void => {
    while (waiting.length > 0) {
      let bytes = 0;
      const end = waiting.findIndex(({ request }, index) => {
        if (waiting.length === 1) return false;
        bytes += JSON.stringify(request).length;
        // A UTF-16 code unit has at most three bytes of UTF-8.
        return index === batchEntries || (index > 0 && bytes * 3 > batchBytes);
      });
      const entries = waiting.splice(0, end < 0 ? batchEntries : end);
      const [{ request, resolve, reject }] = entries as [Entry, ...Entry[]];
      if (entries.length === 1) requester.request(request.name, request.payload).then(resolve, reject);
      else sendAll(entries).catch((error: unknown) => entries.forEach((each) => each.reject(error)));
    }
  };
  return {
    send: (payload) =>
      new Promise((resolve, reject) => {
        if (waiting.push({ request: { name: 'message:send', payload }, resolve, reject }) === 1) queueMicrotask(flush);
      }),
    flush,
  };
}

/** Returns the message of a reply, which lacks what its request has if that is the same. */
function completed(data: unknown, payload: SendMessage, senderId: string | undefined): unknown {
  const row = fields(data);
  return row === undefined || 'content' in row ? data : { ...payload, senderId, ...row };
}
