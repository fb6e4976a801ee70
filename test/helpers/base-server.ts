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
import { messageHandlers } from './base-server/messages.ts';
import { disconnected, presenceHandlers, tellPresence } from './base-server/presence.ts';
import { answerRest, type RestOptions } from './base-server/rest.ts';

export type { NewMessage } from './base-server/data.ts';

export interface BaseServerOptions extends Partial<RestOptions> {
  /** @defaultValue '/nk/messages' */
  namespace?: string;
  /** @defaultValue '/__nk_socketio/' */
  path?: string;
  /** @defaultValue 10_000 */
  maxMessageLength?: number;
  /** Who hears that a message was read: the reader's own socket (default), or everybody in the room. */
  readStatus?: 'reader' | 'room';
  /** Of typing that expires, and of the rows' times. */
  clock?: Clock;
}

export interface SeedConversation {
  id?: string;
  type?: 'direct' | 'group';
  name?: string;
  /** The first is its owner. */
  participantIds: readonly string[];
}

export interface BaseServer extends AsyncDisposable {
  /** Origin, such as `http://127.0.0.1:40123`. */
  readonly url: string;
  /** The rows, to look at. */
  readonly data: BaseData;
  /** REST requests so far, as `GET /__nk_comm/conversations?limit=50`. */
  readonly requests: readonly string[];
  /** Who is connected right now. */
  readonly connected: readonly string[];
  seedConversation(conversation: SeedConversation): string;
  /** @returns the id as it travels on the socket */
  seedMessage(message: NewMessage): string;
  /** `count` messages `prefix 1`, `prefix 2`…, all with one `createdAt` when it is given. */
  seedMessages(message: Omit<NewMessage, 'content'>, count: number, prefix?: string): string[];
  /** From now on sockets connect, but what they emit is lost, until the returned function is called. */
  holdListeners(): () => void;
  /** Refuses the next send with a `message:error`, which names no message. */
  refuseNextSend(code: string, message?: string): void;
  /** Closes every socket on purpose: `io server disconnect`. */
  disconnectAll(): void;
  /** Cuts every connection, as a network does. */
  cutAll(): void;
  close(): Promise<void>;
}

/**
 * A LumenJS 0.16 server as its clients see it, written from the protocol's part 1: nothing is acknowledged, there is no
 * hello, refusals name nothing, and whatever doesn't fit is dropped without a word. Rooms are entered by joining only.
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
  };
  let listenersMayStand: Promise<unknown> = Promise.resolve();
  namespace.on('connection', async (socket: Socket) => {
    // The framework loads the page's module here: until then nobody listens.
    await listenersMayStand;
    if (!socket.connected) return;
    const { headers, query } = socket.handshake;
    const userId = headers['x-user-id'] ?? query['userId'];
    if (typeof userId !== 'string' || userId === '') return void socket.disconnect();
    const connection = new Connection(userId, socket, shared);
    shared.sockets.set(userId, (shared.sockets.get(userId) ?? new Set()).add(socket));
    for (const [name, handle] of Object.entries(handlers)) {
      // An acknowledgement, should somebody ask for one, is never given.
      socket.on(`nk:${name}`, (payload: unknown) => {
        if (typeof payload === 'object' && payload !== null) handle(connection, payload as Record<string, unknown>);
      });
    }
    socket.on('disconnect', () => disconnected(connection));
    tellPresence(connection, 'online');
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
      listenersMayStand = gate.promise;
      return () => {
        listenersMayStand = Promise.resolve();
        gate.resolve(undefined);
      };
    },
    refuseNextSend: (code, message = 'Refused') => shared.refusals.push({ code, message }),
    disconnectAll: () => namespace.disconnectSockets(),
    cutAll() {
      for (const socket of namespace.sockets.values()) socket.conn.close();
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
