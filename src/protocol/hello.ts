import * as v from 'valibot';
import { CAPABILITIES, type Capability } from './vocabulary.ts';

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
