import * as v from 'valibot';
import { CAPABILITIES, type Capability } from './constants.ts';

/** The `auth` payload of the Socket.IO handshake. */
export interface HandshakeAuth {
  token?: string | undefined;
  /** Capabilities that the client offers. */
  caps?: readonly string[] | undefined;
  clientVersion?: string | undefined;
}

/** Validates {@link HandshakeAuth}. */
export const handshakeAuthSchema = v.object({
  token: v.optional(v.pipe(v.string(), v.maxLength(16_384))),
  caps: v.optional(v.pipe(v.array(v.pipe(v.string(), v.maxLength(64))), v.maxLength(64))),
  clientVersion: v.optional(v.pipe(v.string(), v.maxLength(64))),
}) satisfies v.GenericSchema<unknown, HandshakeAuth>;

/** Limits of this server, as announced in {@link Hello}. */
export interface HelloLimits {
  /** UTF-16 code units. */
  maxMessageLength: number;
  /** Bytes. */
  maxFileSize: number;
  pageSize: number;
  typingTimeoutMs: number;
}

/** The first push on each connection. Base servers don't send it. */
export interface Hello {
  /** Protocol version of the server. */
  protocol: number;
  userId: string;
  /** Capabilities that both peers have. */
  caps: readonly Capability[];
  /** ISO 8601 time. */
  serverTime: string;
  limits: HelloLimits;
  /** Name of the server process. Only of a server in development mode that has a name. */
  process?: string | undefined;
}

/** Validates {@link Hello}. */
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
  process: v.optional(v.string()),
}) satisfies v.GenericSchema<unknown, Hello>;

/** Payload of `comm:resync`. */
export type ResyncRequest = Record<never, never>;
/** Validates {@link ResyncRequest}. */
export const resyncRequestSchema = v.object({}) satisfies v.GenericSchema<unknown, ResyncRequest>;

/** Payload of `comm:ping`. */
export type Ping = Record<never, never>;
/** Answer to `comm:ping`. */
export interface Pong {
  /** ISO 8601 time. */
  serverTime: string;
}
/** Validates {@link Ping}. */
export const pingSchema = v.object({}) satisfies v.GenericSchema<unknown, Ping>;
/** Validates {@link Pong}. */
export const pongSchema = v.object({ serverTime: v.string() }) satisfies v.GenericSchema<unknown, Pong>;
