import type { IncomingMessage } from 'node:http';
import type { Clock } from '../../lib/clock.ts';
import { PUSH_EVENT } from '../../protocol/events.ts';
import type { ErrorBody, ServerErrorCode } from '../../protocol/errors.ts';
import { peerAddress } from '../http/peer-address.ts';
import type { Refusals } from '../services/limits/refusals.ts';
import type { SharedLimits } from '../cluster/ephemera.ts';
import type { ServerLimits } from '../services/limits/server-limits.ts';
import { spreadFrames, type FrameTurns } from './frame-turns.ts';
import { packetBytes } from './packet-bytes.ts';
import { terminateWebSocket, webSocketStream } from './web-socket-stream.ts';
import { PACKET, packetHeader, structureViolation, type PacketHeader } from './frame-check.ts';

/** The part of an Engine.IO server that admission uses. */
export interface EngineServer {
  readonly clientsCount: number;
  use(middleware: (request: IncomingMessage, response: MiddlewareResponse, next: () => void) => void): unknown;
  on(event: 'connection', listener: (connection: EngineConnection) => void): unknown;
}

/** The part of an Engine.IO connection that admission uses. */
export interface EngineConnection {
  readonly id: string;
  readonly request: IncomingMessage;
  readonly transport: { readonly name: string };
  on(event: 'packet', listener: (packet: EnginePacket) => void): unknown;
  on(event: 'upgrade', listener: (transport: object) => void): unknown;
  once(event: 'close', listener: () => void): unknown;
  close(discard?: boolean): unknown;
  write(data: string): unknown;
}

/** An Engine.IO packet. Engine.IO reads its type after the listeners of `packet` have run. */
interface EnginePacket {
  type: string;
  data?: unknown;
}

/** The response that Engine.IO passes to a middleware. For an upgrade request only `end()` has an effect. */
interface MiddlewareResponse {
  writeHead(status: number, headers: Record<string, string>): unknown;
  end(body?: string): unknown;
}

/** Options of {@link Admission}. */
export interface AdmissionOptions {
  readonly limits: Readonly<ServerLimits>;
  readonly clock: Clock;
  readonly refusals: Refusals;
  /** Spreads the frames of all connections over the turns of the event loop. */
  readonly frames: FrameTurns;
  /** Shares the number of connections per address with other processes. */
  readonly shared: SharedLimits;
  /**
   * Whether the Socket.IO server serves nothing but this protocol, so that connections to other namespaces count as
   * unidentified.
   */
  readonly exclusive: boolean;
  /** Number of proxies in front of the server; see {@link peerAddress}. */
  readonly trustedProxies: number;
}

/** What a connection has caused so far. */
interface Peer {
  readonly connection: EngineConnection;
  readonly address: string;
  /** Namespaces that the peer has asked to join. */
  readonly joins: Set<string>;
  packets: number;
  bytes: number;
  /** Binary frames that belong to a refused packet and are still to come. */
  refusedAttachments: number;
  /** Whether the peer is no longer counted as unidentified: its user is known, or it belongs to another namespace. */
  admitted: boolean;
  cancelTimeout: () => void;
  unwatch: () => void;
}

/** Time in ms after which a refused peer should connect again. */
const RETRY_AFTER_MS = 5_000;
/** Other processes are told of an address that has this part of the connections it may have. */
const REPORTED_PART = 1 / 8;

const countOf = (address: string): string => `address:${address}`;

/** Returns whether a value is the Engine.IO server of a connection that a framework has accepted. */
export function isEngineServer(value: unknown): value is EngineServer {
  if (typeof value !== 'object' || value === null || !('clientsCount' in value)) return false;
  return ['use', 'on'].every((method) => typeof Reflect.get(value, method) === 'function');
}

const admissions = new WeakMap<EngineServer, Admission>();

/**
 * Returns the admission of an Engine.IO server and installs it there with the first call. Several handlers share it, and
 * the options of the first one apply.
 */
export function admissionFor(engine: EngineServer, options: AdmissionOptions): Admission {
  const known = admissions.get(engine);
  if (known !== undefined) return known;
  const admission = new Admission(engine, options);
  admissions.set(engine, admission);
  return admission;
}

/**
 * Checks what arrives on the connections of an Engine.IO server before Socket.IO parses it or allocates anything for the
 * peer: the number of connections, and the packets, bytes and time that a connection may use before its user is
 * identified. It also checks the structure of all packets of the served namespaces.
 */
export class Admission {
  readonly #engine: EngineServer;
  readonly #options: AdmissionOptions;
  readonly #peers = new WeakMap<object, Peer>();
  /** The unidentified peers by the session ids of their connections. */
  readonly #sessions = new Map<string, Peer>();
  /** Number of connections per address whose users are not identified. */
  readonly #unidentified = new Map<string, number>();
  /** Addresses whose number of connections other processes know. */
  readonly #reported = new Set<string>();
  readonly #namespaces = new Set<string | RegExp>();

  constructor(engine: EngineServer, options: AdmissionOptions) {
    this.#engine = engine;
    this.#options = options;
    engine.use((request, response, next) => this.#screen(request, response, next));
    engine.on('connection', (connection) => this.#accept(connection));
  }

  /** Adds a namespace whose packets are checked. A regular expression matches several. */
  serve(namespace: string | RegExp): void {
    this.#namespaces.add(namespace);
  }

  /** Ends the restrictions on a connection whose user is not identified. Idempotent. */
  identified(connection: object | undefined): void {
    const peer = connection === undefined ? undefined : this.#peers.get(connection);
    if (peer !== undefined) this.#admit(peer);
  }

  /** Refuses handshakes above the limits, and bodies of long-polling requests before they are read. */
  #screen(request: IncomingMessage, response: MiddlewareResponse, next: () => void): void {
    const { limits, trustedProxies } = this.#options;
    const sessionId = sessionIdOf(request);
    if (sessionId === undefined) {
      const reason = this.#overload(peerAddress(request, trustedProxies));
      if (reason === undefined) return next();
      this.#options.refusals.note(reason, 'RATE_LIMITED');
      return answerTooMany(request, response, reason);
    }
    const peer = this.#sessions.get(sessionId);
    if (peer === undefined || request.method !== 'POST') return next();
    const length = Number(request.headers['content-length'] ?? Number.NaN);
    if (peer.bytes + length <= limits.handshakeBytes) return next();
    response.writeHead(413, { connection: 'close' });
    response.end();
    this.#cut(peer, 'too many bytes before the user was identified');
  }

  #accept(connection: EngineConnection): void {
    const { limits, clock, trustedProxies } = this.#options;
    const address = peerAddress(connection.request, trustedProxies);
    // Several handshakes can pass the middleware before the first of them is a connection.
    const overload = this.#overload(address, 1);
    const peer: Peer = {
      connection,
      address,
      joins: new Set(),
      packets: 0,
      bytes: 0,
      refusedAttachments: 0,
      admitted: false,
      cancelTimeout: () => undefined,
      unwatch: () => undefined,
    };
    this.#peers.set(connection, peer);
    this.#sessions.set(connection.id, peer);
    this.#setUnidentified(address, (this.#unidentified.get(address) ?? 0) + 1);
    connection.once('close', () => this.#admit(peer));
    connection.on('packet', (packet) => this.#inspect(peer, packet));
    if (overload !== undefined) return this.#cut(peer, overload);
    peer.cancelTimeout = clock.after(
      limits.handshakeTimeoutMs,
      () => this.#cut(peer, 'the user was not identified in time'),
      true,
    );
    this.#receive(peer, connection.transport);
    connection.on('upgrade', (transport) => this.#receive(peer, transport));
  }

  /** Returns why another connection is refused, if it is. */
  #overload(address: string, present = 0): string | undefined {
    const { limits, shared } = this.#options;
    const { connections, connectionsPerAddress } = limits;
    if (this.#engine.clientsCount - present >= connections) return 'too many connections';
    const unidentified = (this.#unidentified.get(address) ?? 0) + shared.countElsewhere(countOf(address));
    const max = shared.connected ? connectionsPerAddress : Math.ceil(connectionsPerAddress / shared.processes);
    return unidentified >= max ? 'too many connections of one address' : undefined;
  }

  /** Tells other processes of the connections of an address that has many. */
  #setUnidentified(address: string, count: number): void {
    if (count === 0) this.#unidentified.delete(address);
    else this.#unidentified.set(address, count);
    const { limits, shared } = this.#options;
    const isReported = count >= limits.connectionsPerAddress * REPORTED_PART;
    if (!isReported && !this.#reported.has(address)) return;
    if (isReported) this.#reported.add(address);
    else this.#reported.delete(address);
    shared.count(countOf(address), isReported ? count : 0);
  }

  #admit(peer: Peer): void {
    if (peer.admitted) return;
    peer.admitted = true;
    peer.cancelTimeout();
    peer.unwatch();
    this.#sessions.delete(peer.connection.id);
    this.#setUnidentified(peer.address, (this.#unidentified.get(peer.address) ?? 1) - 1);
  }

  #receive(peer: Peer, transport: object): void {
    spreadFrames(transport, this.#options.frames);
    this.#watchBytes(peer, transport);
    this.#boundPayloads(peer, transport);
  }

  /** Counts the bytes of a WebSocket as they arrive, because an unfinished frame is not a packet yet. */
  #watchBytes(peer: Peer, transport: object): void {
    const stream = webSocketStream(transport);
    if (stream === undefined || peer.admitted) return;
    peer.unwatch();
    let received = 0;
    const count = (chunk: Uint8Array): void => {
      received += chunk.byteLength;
      if (received <= this.#options.limits.handshakeBytes) return;
      stream.destroy();
      this.#cut(peer, 'too many bytes before the user was identified');
    };
    stream.on('data', count);
    peer.unwatch = () => void stream.off('data', count);
  }

  /**
   * Bounds the number of packets in one long-polling request. Engine.IO splits its body in one turn of the event loop,
   * before it emits an event.
   */
  #boundPayloads(peer: Peer, transport: object): void {
    const receive: unknown = Reflect.get(transport, 'onData');
    if (Reflect.get(transport, 'name') !== 'polling' || typeof receive !== 'function') return;
    const { limits } = this.#options;
    Reflect.set(transport, 'onData', (payload: unknown) => {
      const max = peer.admitted ? limits.requests.burst : limits.handshakePackets;
      if (typeof payload === 'string' && hasMorePackets(payload, max)) {
        this.#cut(peer, 'too many packets in one request');
      } else receive.call(transport, payload);
    });
  }

  #inspect(peer: Peer, packet: EnginePacket): void {
    const { data } = packet;
    this.#options.frames.count(packetBytes(data));
    if (!peer.admitted) {
      const { handshakePackets, handshakeBytes } = this.#options.limits;
      peer.packets += 1;
      peer.bytes += packetBytes(data);
      if (peer.packets > handshakePackets || peer.bytes > handshakeBytes) {
        discard(packet);
        return this.#cut(peer, 'too many packets before the user was identified');
      }
    }
    if (packet.type !== 'message') return;
    if (typeof data === 'string') this.#inspectText(peer, packet, data);
    else if (peer.refusedAttachments > 0) {
      peer.refusedAttachments -= 1;
      discard(packet);
    } else if (!peer.admitted || this.#options.exclusive) {
      discard(packet);
      this.#cut(peer, 'a binary packet was received', 'INVALID');
    }
  }

  #inspectText(peer: Peer, packet: EnginePacket, text: string): void {
    const header = packetHeader(text);
    if (header === undefined) {
      discard(packet);
      return this.#cut(peer, 'a malformed packet was received', 'INVALID');
    }
    const isServed = this.#serves(header.namespace);
    if (header.type === PACKET.connect && !this.#join(peer, header, isServed)) return discard(packet);
    if (!isServed && !(this.#options.exclusive && isBinary(header))) return;
    const violation = this.#violation(header, text);
    if (violation === undefined) return;
    discard(packet);
    if (!peer.admitted) return this.#cut(peer, violation, 'INVALID');
    this.#options.refusals.note(violation, 'INVALID');
    peer.refusedAttachments = header.attachments;
    answer(peer.connection, header, { code: 'INVALID', message: violation });
  }

  /** Allows each namespace once per connection: every further CONNECT would allocate a socket and ask for a user. */
  #join(peer: Peer, { namespace }: PacketHeader, isServed: boolean): boolean {
    if (peer.joins.has(namespace) || peer.joins.size >= this.#options.limits.handshakePackets) {
      this.#cut(peer, 'a namespace was joined twice', 'INVALID');
      return false;
    }
    peer.joins.add(namespace);
    if (!isServed && !this.#options.exclusive) this.#admit(peer);
    return true;
  }

  #violation(header: PacketHeader, text: string): string | undefined {
    const { frameDepth, frameValues } = this.#options.limits;
    if (isBinary(header)) return 'request must not contain binary data';
    return structureViolation(text, header.dataAt, { depth: frameDepth, values: frameValues });
  }

  #serves(namespace: string): boolean {
    for (const served of this.#namespaces) {
      if (typeof served === 'string' ? served === namespace : served.test(namespace)) return true;
    }
    return false;
  }

  #cut({ connection }: Peer, cause: string, code: ServerErrorCode = 'RATE_LIMITED'): void {
    this.#options.refusals.note(cause, code);
    // Discarding makes the close synchronous: no further packet of the same chunk reaches Socket.IO.
    connection.close(true);
    terminateWebSocket(connection.transport);
  }
}

function isBinary({ type }: PacketHeader): boolean {
  return type === PACKET.binaryEvent || type === PACKET.binaryAck;
}

/** Prevents Engine.IO from passing a packet on. */
function discard(packet: EnginePacket): void {
  packet.type = 'noop';
  packet.data = undefined;
}

/** Answers a request that was not parsed, as its handler would. */
function answer(connection: EngineConnection, { namespace, ackId }: PacketHeader, error: ErrorBody): void {
  const prefix = namespace === '/' ? '' : `${namespace},`;
  const frame =
    ackId === ''
      ? `2${prefix}${JSON.stringify([PUSH_EVENT, { event: 'error', data: error }])}`
      : `3${prefix}${ackId}${JSON.stringify([{ ok: false, error }])}`;
  connection.write(frame);
}

function answerTooMany(request: IncomingMessage, response: MiddlewareResponse, message: string): void {
  const error: ErrorBody = { code: 'RATE_LIMITED', message, retryAfterMs: RETRY_AFTER_MS };
  const body = JSON.stringify({ error });
  const headers = {
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    'retry-after': String(RETRY_AFTER_MS / 1_000),
    connection: 'close',
  };
  if (request.headers.upgrade === undefined) {
    response.writeHead(429, headers);
    response.end(body);
    return;
  }
  // Engine.IO's response to an upgrade request can only destroy the socket, which wouldn't tell the reason.
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  request.socket.end(`HTTP/1.1 429 Too Many Requests\r\n${head.join('')}\r\n${body}`);
}

function sessionIdOf(request: IncomingMessage): string | undefined {
  const query: unknown = Reflect.get(request, '_query');
  const sessionId: unknown = typeof query === 'object' && query !== null ? Reflect.get(query, 'sid') : undefined;
  return typeof sessionId === 'string' && sessionId !== '' ? sessionId : undefined;
}

function hasMorePackets(payload: string, max: number): boolean {
  let at = -1;
  for (let count = 0; count < max; count += 1) {
    at = payload.indexOf('\u001E', at + 1);
    if (at === -1) return false;
  }
  return true;
}
