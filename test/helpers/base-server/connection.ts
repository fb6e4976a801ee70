import type { Socket } from 'socket.io';
import type { Clock } from '../../../src/lib/clock.ts';
import type { BaseData } from './data.ts';

export type Payload = Readonly<Record<string, unknown>>;
export type Handler = (connection: Connection, payload: Payload) => void;

/** State shared by all connections of one base server. */
export interface Shared {
  data: BaseData;
  clock: Clock;
  /** The sockets of each connected user. */
  sockets: Map<string, Set<Socket>>;
  presence: Map<string, { status: string; lastSeen: string }>;
  /** The rooms that each user has joined, on any socket. */
  joined: Map<string, Set<string>>;
  /** Cancels the typing timeout, by conversation and user. */
  typing: Map<string, () => void>;
  /** Errors for the next sends. */
  refusals: { code: string; message: string }[];
  maxMessageLength: number;
  readStatus: 'reader' | 'room';
}

/** One socket of a base server, with its methods to push. */
export class Connection {
  readonly userId: string;
  readonly shared: Shared;
  readonly socket: Socket;

  constructor(userId: string, socket: Socket, shared: Shared) {
    this.userId = userId;
    this.socket = socket;
    this.shared = shared;
  }

  push(event: string, data: unknown): void {
    this.socket.emit('nk:data', { event, data });
  }

  toRoom(conversationId: string, event: string, data: unknown): void {
    this.socket.nsp.to(room(conversationId)).emit('nk:data', { event, data });
  }

  toOthersInRoom(conversationId: string, event: string, data: unknown): void {
    this.socket.to(room(conversationId)).emit('nk:data', { event, data });
  }

  toUser(userId: string, event: string, data: unknown): void {
    for (const socket of this.shared.sockets.get(userId) ?? []) socket.emit('nk:data', { event, data });
  }

  join(conversationId: string): void {
    void this.socket.join(room(conversationId));
  }

  leave(conversationId: string): void {
    void this.socket.leave(room(conversationId));
  }
}

function room(conversationId: string): string {
  return `conv:${conversationId}`;
}

/** Returns a non-empty string. A base server silently drops events with any other id or text. */
export function strings<K extends string>(payload: Payload, ...names: K[]): Record<K, string> | undefined {
  const found = {} as Record<K, string>;
  for (const name of names) {
    const value = payload[name];
    if (typeof value !== 'string' || value === '') return undefined;
    found[name] = value;
  }
  return found;
}
