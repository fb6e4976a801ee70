import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server, type Socket } from 'socket.io';
import { systemClock, type Clock } from '../../src/lib/clock.ts';
import { deferred } from '../../src/lib/deferred.ts';
import { callHandlers } from './base-server/calls.ts';
import { Connection, type Shared } from './base-server/connection.ts';
import { conversationHandlers } from './base-server/conversations.ts';
import { BaseData, type NewMessage } from './base-server/data.ts';
import { encryptionHandlers } from './base-server/encryption.ts';
import { fileHandlers } from './base-server/files.ts';
import { messageHandlers } from './base-server/messages.ts';
import { disconnected, presenceHandlers, pushPresence } from './base-server/presence.ts';
import { answerRest, type RestOptions } from './base-server/rest.ts';

export type { NewMessage } from './base-server/data.ts';

export interface BaseServerOptions extends Partial<RestOptions> {
  /** @defaultValue '/nk/messages' */
  namespace?: string;
  /** @defaultValue '/__nk_socketio/' */
  path?: string;
  /** @defaultValue 10_000 */
  maxMessageLength?: number;
  /** Receivers of the status `read`: the reader's own socket (default), or all sockets in the room. */
  readStatus?: 'reader' | 'room';
  /** LumenJS's own tables, for which some requests crash the server, or tables with the columns that these need (default). */
  tables?: 'own' | 'extended';
  /** Source of time for the typing timeout and for the times of rows. */
  clock?: Clock;
}

/** Requests that need columns which LumenJS's own tables don't have. */
const CRASHING = new Set([
  'conversation:archive',
  'conversation:mute',
  'conversation:pin',
  'message:forward',
  'call:hangup',
]);

export interface SeedConversation {
  id?: string;
  type?: 'direct' | 'group';
  name?: string;
  /** The first one is the owner. */
  participantIds: readonly string[];
}

export interface BaseServer extends AsyncDisposable {
  /** Origin, such as `http://127.0.0.1:40123`. */
  readonly url: string;
  /** The database rows. */
  readonly data: BaseData;
  /** REST requests so far, such as `GET /__nk_comm/conversations?limit=50`. */
  readonly requests: readonly string[];
  /** Requests that crashed the server. */
  readonly crashes: readonly string[];
  /** Ids of the connected users. */
  readonly connected: readonly string[];
  seedConversation(conversation: SeedConversation): string;
  /** @returns the id as it appears in socket frames */
  seedMessage(message: NewMessage): string;
  /** Adds `count` messages `prefix 1`, `prefix 2`…, all with the same `createdAt` if given. */
  seedMessages(message: Omit<NewMessage, 'content'>, count: number, prefix?: string): string[];
  /** Makes new sockets connect without listeners, so that their frames are lost, until the returned function is called. */
  holdListeners(): () => void;
  /** Rejects the next send with a `message:error`, which doesn't identify the message. */
  refuseNextSend(code: string, message?: string): void;
  /** Disconnects every socket with the reason `io server disconnect`. */
  disconnectAll(): void;
  /** Closes the transport of every connection, like a network failure. */
  cutAll(): void;
  close(): Promise<void>;
}

/**
 * Starts a fake LumenJS 0.16 server that implements the base protocol: it acknowledges nothing, sends no hello, doesn't
 * identify the request in errors, and silently drops invalid frames. Sockets enter rooms only by joining.
 */
export async function startBaseServer(options: BaseServerOptions = {}): Promise<BaseServer> {
  const clock = options.clock ?? systemClock;
  const data = new BaseData(() => new Date(clock.now()));
  const rest: RestOptions = {
    restPath: options.restPath ?? '/__nk_comm',
    history: options.history ?? 'paged',
    messagesOfConversation: options.messagesOfConversation ?? false,
    messagesSearch: options.messagesSearch ?? 'absent',
  };
  const shared: Shared = {
    data,
    clock,
    sockets: new Map(),
    presence: new Map(),
    joined: new Map(),
    typing: new Map(),
    refusals: [],
    maxMessageLength: options.maxMessageLength ?? 10_000,
    readStatus: options.readStatus ?? 'reader',
  };
  const requests: string[] = [];
  const crashes: string[] = [];
  const http = createServer((request, response) => {
    requests.push(`${request.method ?? ''} ${request.url ?? ''}`);
    if (answerRest(request, response, data, rest)) return;
    response.writeHead(404).end();
  });
  const io = new Server(http, { path: options.path ?? '/__nk_socketio/' });
  const namespace = io.of(options.namespace ?? '/nk/messages');
  const handlers = {
    ...messageHandlers,
    ...presenceHandlers,
    ...conversationHandlers,
    ...callHandlers(),
    ...encryptionHandlers(),
    ...fileHandlers(),
  };
  let listenersReady: Promise<unknown> = Promise.resolve();
  namespace.on('connection', async (socket: Socket) => {
    // The framework loads the page's module before it registers the listeners.
    await listenersReady;
    if (!socket.connected) return;
    const { headers, query } = socket.handshake;
    const userId = headers['x-user-id'] ?? query['userId'];
    if (typeof userId !== 'string' || userId === '') return void socket.disconnect();
    const connection = new Connection(userId, socket, shared);
    shared.sockets.set(userId, (shared.sockets.get(userId) ?? new Set()).add(socket));
    for (const [name, handle] of Object.entries(handlers)) {
      // An acknowledgement callback is ignored.
      socket.on(`nk:${name}`, (payload: unknown) => {
        if (typeof payload !== 'object' || payload === null) return;
        if (options.tables === 'own' && CRASHING.has(name)) {
          crashes.push(name);
          void io.close();
        } else handle(connection, payload as Record<string, unknown>);
      });
    }
    socket.on('disconnect', () => disconnected(connection));
    pushPresence(connection, 'online');
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const { port } = http.address() as AddressInfo;

  const seedMessage = (message: NewMessage): string => String(data.addMessage(message).id);
  const close = async (): Promise<void> => {
    for (const cancel of shared.typing.values()) cancel();
    shared.typing.clear();
    await io.close();
  };
  return {
    url: `http://127.0.0.1:${String(port)}`,
    data,
    requests,
    crashes,
    get connected() {
      return [...shared.sockets.keys()];
    },
    seedConversation: ({ id, type = 'group', name, participantIds }) =>
      data.addConversation(type, name, participantIds, id).id,
    seedMessage,
    seedMessages: (message, count, prefix = 'message') =>
      Array.from({ length: count }, (_, index) =>
        seedMessage({ ...message, content: `${prefix} ${String(index + 1)}` }),
      ),
    holdListeners() {
      const gate = deferred<undefined>();
      listenersReady = gate.promise;
      return () => {
        listenersReady = Promise.resolve();
        gate.resolve(undefined);
      };
    },
    refuseNextSend: (code, message = 'Rejected') => shared.refusals.push({ code, message }),
    disconnectAll: () => namespace.disconnectSockets(),
    cutAll() {
      for (const socket of namespace.sockets.values()) socket.conn.close();
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
