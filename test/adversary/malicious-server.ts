import type { CommClientOptions, Message } from '../../src/index.ts';
import { socketIoPort } from '../../src/transport/socket-io.ts';
import type { Handshake, SocketListener, SocketPort } from '../../src/transport/socket-port.ts';
import type { CommServerOptions } from '../../src/server/index.ts';
import type { App } from '../helpers/client/app.ts';
import { startWorld, type World } from '../helpers/client/world.ts';

/** A push of the server to one user. */
export interface Push {
  readonly event: string;
  readonly data: unknown;
}

/** A request that a client has sent. */
export interface SentRequest {
  readonly from: string;
  /** Name without prefix. */
  readonly name: string;
  readonly payload: unknown;
}

type Row = Readonly<Record<string, unknown>>;

/**
 * A real server behind a proxy that controls every frame and every REST response: it can alter, drop, repeat and invent them,
 * separately for each user. Without changes to its fields it is honest.
 */
export class MaliciousServer {
  readonly world: World;
  /** All requests of all clients. */
  readonly requests: SentRequest[] = [];
  /** Alters a push; `undefined` drops it. */
  altersPush: (push: Push, to: string) => Push | undefined = (push) => push;
  /** Alters the data of a positive response, over the socket. */
  altersResponse: (name: string, data: unknown, to: string) => unknown = (_name, data) => data;
  /** Alters a request before the real server receives it; `undefined` drops it without a response. */
  altersRequest: (name: string, payload: unknown, from: string) => unknown = (_name, payload) => payload;
  /** Alters the body of a REST response. */
  altersRest: (path: string, body: unknown, to: string) => unknown = (_path, body) => body;
  readonly #ports = new Map<string, MaliciousPort>();

  private constructor(world: World) {
    this.world = world;
  }

  static async start(options: CommServerOptions = {}): Promise<MaliciousServer> {
    return new MaliciousServer(await startWorld(options));
  }

  /** Creates a client whose connections pass through this server. `options.fetch` takes the place of the network. */
  app(userId: string, options: CommClientOptions = {}): App {
    const port = new MaliciousPort(this, userId);
    this.#ports.set(userId, port);
    const request = this.#fetchFor(userId, options.fetch ?? fetch);
    return this.world.app(userId, { socket: port, encryption: {}, ...options, fetch: request });
  }

  /** Connects a client, and waits until its keys are published. */
  async join(userId: string, options: CommClientOptions = {}): Promise<App> {
    const app = this.app(userId, options);
    await app.client.connect();
    await app.client.encryption.ready;
    return app;
  }

  /** Pushes an invented frame to a user. */
  push(to: string, event: string, data: unknown): void {
    this.#ports.get(to)?.receive({ event, data });
  }

  /** Breaks the connection of a user. */
  cut(userId: string): void {
    this.#ports.get(userId)?.cut();
  }

  /** All that a client has sent, as text. */
  sentBy(userId: string): string {
    return JSON.stringify(this.requests.filter(({ from }) => from === userId));
  }

  #fetchFor(to: string, request: typeof fetch): typeof fetch {
    return async (input, init) => {
      const response = await request(input, init);
      // Files, and the answers to uploads, are not altered.
      const isJson = response.headers.get('content-type')?.startsWith('application/json') === true;
      if (!response.ok || !isJson) return response;
      const { pathname, search } = new URL(input instanceof Request ? input.url : input);
      const body: unknown = await response.json();
      // A client that looks the members up after the first message would also read the last one, sooner or later.
      const isLookup = /\/conversations\/[^/]+$/.test(pathname);
      const answer = isLookup ? mapConversations(body, ({ lastMessage: _, ...rest }) => rest) : body;
      return Response.json(this.altersRest(pathname + search, answer, to));
    };
  }
}

/** The connection of one user, which passes frames through the server's alterations. */
class MaliciousPort implements SocketPort {
  readonly #server: MaliciousServer;
  readonly #userId: string;
  readonly #inner: SocketPort;
  #listener: SocketListener | undefined;

  constructor(server: MaliciousServer, userId: string) {
    this.#server = server;
    this.#userId = userId;
    const { url } = server.world.server;
    this.#inner = socketIoPort({ url, namespace: '/nk/messages', path: '/__nk_socketio/', transports: ['websocket'] });
    this.#inner.listen({
      connected: () => this.#listener?.connected(),
      disconnected: (reason, byServer) => this.#listener?.disconnected(reason, byServer),
      refused: (refusal) => this.#listener?.refused(refusal),
      pushed: (frame) => {
        const push = server.altersPush(frame as Push, userId);
        if (push !== undefined) this.receive(push);
      },
    });
  }

  receive(push: Push): void {
    this.#listener?.pushed(push);
  }

  cut(): void {
    this.#inner.disconnect();
    this.#listener?.disconnected('transport close', false);
  }

  listen(listener: SocketListener): void {
    this.#listener = listener;
  }

  connect(handshake: Handshake): void {
    this.#inner.connect(handshake);
  }

  disconnect(): void {
    this.#inner.disconnect();
  }

  emit(event: string, payload: unknown, acknowledge?: (reply: unknown) => void): void {
    const name = event.replace('nk:', '');
    this.#server.requests.push({ from: this.#userId, name, payload });
    const altered = this.#server.altersRequest(name, payload, this.#userId);
    if (altered === undefined) return;
    if (acknowledge === undefined) return this.#inner.emit(event, altered);
    this.#inner.emit(event, altered, (reply) => {
      const { ok, data } = reply as { ok: boolean; data: unknown };
      const isPositive = ok && data !== undefined;
      acknowledge(isPositive ? { ok, data: this.#server.altersResponse(name, data, this.#userId) } : reply);
    });
  }
}

/** Applies a change to every message in a frame or body; the rest stays as it is. */
export function mapMessages(value: unknown, change: (message: Message) => object): unknown {
  if (Array.isArray(value)) return (value as readonly unknown[]).map((each) => mapMessages(each, change));
  if (typeof value !== 'object' || value === null) return value;
  const row = value as Row;
  if ('senderId' in row && 'content' in row) return change(value as Message);
  return Object.fromEntries(Object.entries(row).map(([key, each]) => [key, mapMessages(each, change)]));
}

/** Applies a change to every conversation in a frame or body; the rest stays as it is. */
export function mapConversations(value: unknown, change: (conversation: Row & { id: string }) => object): unknown {
  if (Array.isArray(value)) return (value as readonly unknown[]).map((each) => mapConversations(each, change));
  if (typeof value !== 'object' || value === null) return value;
  const row = value as Row;
  if ('participants' in row && 'id' in row) return change(row as Row & { id: string });
  return Object.fromEntries(Object.entries(row).map(([key, each]) => [key, mapConversations(each, change)]));
}
