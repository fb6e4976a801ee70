import { systemClock } from '../lib/clock.ts';
import { Emitter } from '../lib/emitter.ts';
import { CommError } from '../protocol/errors.ts';
import type { PushName, Pushes, RequestName, RequestOf, ResponseOf } from '../protocol/events.ts';
import type { Message } from '../protocol/messages.ts';
import { PLAIN_CAPABILITIES, DEFAULT_NAMESPACE, DEFAULT_SOCKET_PATH } from '../protocol/constants.ts';
import { socketIoPort } from '../transport/socket-io.ts';
import { RequestChannel } from '../transport/request-channel.ts';

/** Options of {@link connectUser}. */
export interface TestUserOptions {
  /** Origin of the server, such as `http://127.0.0.1:3000`. */
  url: string;
  /** The user to connect as. With `token` the server derives the user from the token, and this is only a label. */
  userId: string;
  /** Sent in the Socket.IO `auth` payload. */
  token?: string | undefined;
  /** @defaultValue `'/nk/messages'` */
  namespace?: string | undefined;
  /** @defaultValue `'/__nk_socketio/'` */
  path?: string | undefined;
}

/** One socket of one user, driven by a test: it sends requests and receives pushes. It has no outbox and never reconnects. */
export interface TestUser {
  /** Ends the connection. */
  [Symbol.asyncDispose](): Promise<void>;
  readonly userId: string;
  /**
   * Sends a request of the protocol and returns the server's answer.
   *
   * @throws CommError with the code the server rejected the request with, `TIMEOUT` after 10 s, or `DISCONNECTED`
   */
  request<K extends RequestName>(name: K, payload: RequestOf<K>): Promise<ResponseOf<K>>;
  /** Sends a text message and returns it as the server stored it. Rejects like {@link TestUser.request}. */
  send(conversationId: string, content: string): Promise<Message>;
  /** Resolves with the payload of the next push of this name that arrives after the call. Payloads are not validated. */
  next<K extends PushName>(event: K): Promise<Pushes[K]>;
  /** Disconnects. Pending requests reject with `DISCONNECTED`. Idempotent. */
  close(): void;
}

interface AnyPush {
  event: PushName;
  data: Pushes[PushName];
}

/**
 * Connects a bare user to a server of `lumen-comm-server`. Resolves when the server's `comm:hello` has arrived.
 *
 * @throws CommError `UNAUTHENTICATED` if the server rejects the handshake, `DISCONNECTED` if the connection is lost
 * before the hello
 */
export async function connectUser(options: TestUserOptions): Promise<TestUser> {
  const { url, userId, token, namespace = DEFAULT_NAMESPACE, path = DEFAULT_SOCKET_PATH } = options;
  const port = socketIoPort({ url, namespace, path, transports: ['websocket'] });
  const requests = new RequestChannel(port, systemClock, 10_000);
  const pushes = new Emitter<Pushes>((error) => {
    throw error;
  });
  const ready = new Promise<void>((resolve, reject) => {
    port.listen({
      connected: () => requests.opened(),
      disconnected: () => {
        requests.closed();
        reject(new CommError('DISCONNECTED', `The connection of ${userId} was closed`));
      },
      refused: ({ message }) => reject(new CommError('UNAUTHENTICATED', message)),
      pushed: (frame) => {
        const push = frame as AnyPush;
        if (push.event === 'comm:hello') resolve();
        const all = push.event === 'batch' ? (push.data as Pushes['batch']).pushes : [push];
        for (const { event, data } of all as AnyPush[]) pushes.emit(event, data);
      },
    });
  });
  const auth = { caps: PLAIN_CAPABILITIES, ...(token !== undefined && { token }) };
  port.connect({ auth, query: token === undefined ? { userId } : {} });
  await ready;
  const close = (): void => {
    port.disconnect();
    requests.closed();
  };
  return {
    userId,
    request: (name, payload) => requests.request(name, payload),
    send: (conversationId, content) => requests.request('message:send', { conversationId, content, type: 'text' }),
    next: (event) =>
      new Promise((resolve) => {
        pushes.once(event, resolve);
      }),
    close,
    [Symbol.asyncDispose]() {
      close();
      return Promise.resolve();
    },
  };
}

declare global {
  /** Declared here because the library ES2022 of TypeScript has no `Symbol.asyncDispose`. */
  interface SymbolConstructor {
    readonly asyncDispose: unique symbol;
  }
}
