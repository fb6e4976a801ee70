import { io, type Socket } from 'socket.io-client';

export interface Push {
  event: string;
  data: Readonly<Record<string, unknown>>;
}

/** A Socket.IO client that knows only the base protocol. */
export interface RawClient {
  readonly socket: Socket;
  readonly pushes: readonly Push[];
  emit(name: string, payload?: unknown): void;
  /** Returns the first push of that name, since connecting, that no earlier call has returned. */
  next(event: string, matches?: (data: Push['data']) => boolean): Promise<Push['data']>;
  /** Resolves when the server has processed all frames emitted so far, to show that something did not happen. */
  settled(): Promise<void>;
  close(): void;
}

export interface RawClientOptions {
  userId?: string | undefined;
  headers?: Record<string, string> | undefined;
  auth?: Record<string, unknown> | undefined;
  namespace?: string | undefined;
  path?: string | undefined;
}

/** Connects over WebSocket only. Rejects with Socket.IO's `connect_error`. */
export async function connectRaw(url: string, options: RawClientOptions = {}): Promise<RawClient> {
  const { userId, headers, auth, namespace = '/nk/messages', path = '/__nk_socketio/' } = options;
  const socket = io(url + namespace, {
    path,
    forceNew: true,
    reconnection: false,
    transports: ['websocket'],
    query: userId === undefined ? {} : { userId },
    ...(auth !== undefined && { auth }),
    ...(headers !== undefined && { extraHeaders: headers }),
  });
  const pushes: Push[] = [];
  const taken = new Set<Push>();
  const waiting = new Set<() => void>();
  socket.on('nk:data', (push: Push) => {
    pushes.push(push);
    for (const look of waiting) look();
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('connect_error', reject);
  });
  let settledCalls = 0;
  const emit = (name: string, payload: unknown = {}): void => void socket.emit(`nk:${name}`, payload);
  const next = (event: string, matches: (data: Push['data']) => boolean = () => true): Promise<Push['data']> =>
    new Promise((resolve) => {
      const look = (): void => {
        const found = pushes.find((push) => push.event === event && !taken.has(push) && matches(push.data));
        if (found === undefined) return;
        taken.add(found);
        waiting.delete(look);
        resolve(found.data);
      };
      waiting.add(look);
      look();
    });
  return {
    socket,
    pushes,
    emit,
    next,
    async settled() {
      // The server answers this request for any id, and processes the events of one socket in order.
      const conversationId = `settled-${(settledCalls += 1)}`;
      emit('conversation:mute', { conversationId, muted: true });
      await next('conversation:updated', ({ id }) => id === conversationId);
    },
    close: () => void socket.disconnect(),
  };
}
