import { systemClock } from '../lib/clock.ts';
import { Emitter } from '../lib/emitter.ts';
import { CommError } from '../protocol/errors.ts';
import type { RequestName, RequestOf, ResponseOf } from '../protocol/events.ts';
import type { Message } from '../protocol/messages.ts';
import { PLAIN_CAPABILITIES, DEFAULT_NAMESPACE, DEFAULT_SOCKET_PATH } from '../protocol/vocabulary.ts';
import { socketIoPort } from '../transport/socket-io.ts';
import { Wire } from '../transport/wire.ts';

export interface TestUserOptions {
  url: string;
  userId: string;
  /** Where the server wants one; then `userId` is only a name. */
  token?: string | undefined;
  namespace?: string | undefined;
  path?: string | undefined;
}

/** Somebody for the other end of a chat: a bare connection, without outbox, views or reconnecting. */
export interface TestUser extends AsyncDisposable {
  readonly userId: string;
  /** Any request of the protocol. @throws CommError with the server's code */
  request<K extends RequestName>(name: K, payload: RequestOf<K>): Promise<ResponseOf<K>>;
  send(conversationId: string, content: string): Promise<Message>;
  /** Resolves with the first push of this name from now on. */
  next(event: string): Promise<unknown>;
  close(): void;
}

/** Resolves once the server has greeted. @throws CommError `UNAUTHENTICATED`, `DISCONNECTED` */
export async function connectUser(options: TestUserOptions): Promise<TestUser> {
  const { url, userId, token, namespace = DEFAULT_NAMESPACE, path = DEFAULT_SOCKET_PATH } = options;
  const port = socketIoPort({ url, namespace, path, transports: ['websocket'] });
  const wire = new Wire(port, systemClock, 10_000);
  const pushes = new Emitter<Record<string, unknown>>((error) => {
    throw error;
  });
  const greeted = new Promise<void>((resolve, reject) => {
    port.listen({
      connected: () => wire.opened(),
      disconnected: () => {
        wire.closed();
        reject(new CommError('DISCONNECTED', `${userId} was disconnected`));
      },
      refused: ({ message }) => reject(new CommError('UNAUTHENTICATED', message)),
      pushed: (frame) => {
        const { event, data } = frame as { event: string; data: unknown };
        if (event === 'comm:hello') resolve();
        pushes.emit(event, data);
      },
    });
  });
  const auth = { caps: PLAIN_CAPABILITIES, ...(token !== undefined && { token }) };
  port.connect({ auth, query: token === undefined ? { userId } : {} });
  await greeted;
  const close = (): void => {
    port.disconnect();
    wire.closed();
  };
  return {
    userId,
    request: (name, payload) => wire.request(name, payload),
    send: (conversationId, content) => wire.request('message:send', { conversationId, content, type: 'text' }),
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
