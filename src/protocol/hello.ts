import * as v from 'valibot';

/** Moves when the wire changes in a way that a peer can notice (`test/unit/protocol/wire.test.ts` watches it). */
export const PROTOCOL_VERSION = 1;

/** Everything of part 2 that this package can do today. A peer gets the intersection with what it offered. */
export const CAPABILITIES = ['ack', 'client-id', 'rev', 'delivered', 'presence-watch'] as const;
export type Capability = (typeof CAPABILITIES)[number];

/** Where the LumenJS framework puts its sockets and routes. */
export const DEFAULT_NAMESPACE = '/nk/messages';
export const DEFAULT_SOCKET_PATH = '/__nk_socketio/';
export const DEFAULT_REST_PATH = '/__nk_comm';

/** A client waits this long for `comm:hello` before it takes the peer for a base server. */
export const HELLO_TIMEOUT_MS = 1_000;

/** What the client puts in the Socket.IO `auth` payload. */
export interface HandshakeAuth {
  token?: string | undefined;
  caps?: readonly string[] | undefined;
  clientVersion?: string | undefined;
}

export const handshakeAuthSchema = v.object({
  token: v.optional(v.pipe(v.string(), v.maxLength(16_384))),
  caps: v.optional(v.pipe(v.array(v.pipe(v.string(), v.maxLength(64))), v.maxLength(64))),
  clientVersion: v.optional(v.pipe(v.string(), v.maxLength(64))),
}) satisfies v.GenericSchema<unknown, HandshakeAuth>;

export interface HelloLimits {
  /** UTF-16 code units. */
  maxMessageLength: number;
  /** Bytes. */
  maxFileSize: number;
  pageSize: number;
  typingTimeoutMs: number;
}

/** The first push of our server; a base server never sends it. */
export interface Hello {
  protocol: number;
  userId: string;
  caps: readonly Capability[];
  serverTime: string;
  limits: HelloLimits;
}

export const helloSchema = v.object({
  protocol: v.number(),
  userId: v.string(),
  caps: v.array(v.picklist(CAPABILITIES)),
  serverTime: v.string(),
  limits: v.object({
    maxMessageLength: v.number(),
    maxFileSize: v.number(),
    pageSize: v.number(),
    typingTimeoutMs: v.number(),
  }),
}) satisfies v.GenericSchema<unknown, Hello>;

export type Ping = Record<never, never>;
export interface Pong {
  serverTime: string;
}
export const pingSchema = v.object({}) satisfies v.GenericSchema<unknown, Ping>;
export const pongSchema = v.object({ serverTime: v.string() }) satisfies v.GenericSchema<unknown, Pong>;
