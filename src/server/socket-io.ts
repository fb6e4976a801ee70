import type { Push } from '../protocol/events.ts';
import { PUSH_EVENT } from '../protocol/events.ts';

/**
 * What LumenJS hands to a page's `socket()`, as far as we use it. Only `socket.id` is taken for granted: contexts in
 * tests of apps are often no more than that.
 */
export interface LumenContext {
  /** Listens to `nk:<event>` on the socket, with all its arguments. */
  on(event: string, handler: (...args: unknown[]) => void): void;
  /** Emits `nk:data` to this socket. */
  push(data: unknown): void;
  readonly room: {
    /** Enters a room. */
    join(name: string): void;
    /** Leaves a room. */
    leave(name: string): void;
    /** Emits `nk:data` to the others in a room. */
    broadcast(name: string, data: unknown): void;
    /** Emits `nk:data` to everybody in a room. */
    broadcastAll(name: string, data: unknown): void;
  };
  readonly params?: Readonly<Record<string, string>> | undefined;
  readonly headers?: Readonly<Record<string, string | string[] | undefined>> | undefined;
  readonly locale?: string | undefined;
  readonly socket: LumenSocket;
  readonly user?: unknown;
}

/** The raw Socket.IO socket, of whatever version the framework brings. */
export interface LumenSocket {
  readonly id: string;
  readonly handshake?:
    | {
        readonly query?: Readonly<Record<string, string | string[] | undefined>> | undefined;
        readonly auth?: unknown;
        readonly headers?: Readonly<Record<string, string | string[] | undefined>> | undefined;
      }
    | undefined;
  readonly nsp?: object | undefined;
  /** Ends the connection; the client doesn't come back by itself. */
  disconnect?(close?: boolean): unknown;
  /** Enters rooms of the namespace. */
  join?(rooms: string | string[]): unknown;
  /** Leaves a room of the namespace. */
  leave?(room: string): unknown;
  /** The connection below the namespace; closing it lets the client come back by itself. */
  readonly conn?: { close(discard?: boolean): unknown } | undefined;
}

/** One socket, as the rest of the server sees it. */
export interface SocketLink {
  readonly id: string;
  /** The rooms of its namespace, in every process; absent where there is only a context. */
  readonly rooms: Rooms | undefined;
  push(push: Push): void;
  /** To everybody in the room, this socket too. */
  broadcastAll(room: string, push: Push): void;
  join(rooms: readonly string[]): void;
  leave(room: string): void;
  /** A refusal: the client isn't to come back by itself. */
  disconnect(): void;
  /** A lost line: the client comes back after a while. */
  drop(): void;
}

/** Sockets of one namespace by room: a Socket.IO adapter carries it to the other processes. */
export interface Rooms {
  /** Serialized once, whatever the number of rooms and receivers; once to whoever is in several. */
  emit(to: readonly string[], push: Push, except: readonly string[]): void;
  /** Every socket that is in `selector` enters `room`. */
  join(selector: string, room: string): void;
  leave(selector: string, room: string): void;
}

interface Selection {
  except(rooms: readonly string[]): Selection;
  emit(event: string, data: unknown): unknown;
  socketsJoin(room: string): void;
  socketsLeave(room: string): void;
}
interface SocketNamespace {
  to(rooms: string[]): Selection;
  in(room: string): Selection;
}

const namespaces = new WeakMap<object, Rooms>();

export function linkOf(context: LumenContext): SocketLink {
  const { socket, room } = context;
  const joinable = typeof socket.join === 'function' && typeof socket.leave === 'function';
  return {
    id: socket.id,
    rooms: joinable ? roomsOf(socket.nsp) : undefined,
    push: (push) => context.push(push),
    broadcastAll: (name, push) => room.broadcastAll(name, push),
    join(names) {
      if (joinable) socket.join?.([...names]);
      else for (const name of names) room.join(name);
    },
    leave(name) {
      if (joinable) socket.leave?.(name);
      else room.leave(name);
    },
    disconnect: () => void socket.disconnect?.(),
    drop: () => void (socket.conn === undefined ? socket.disconnect?.() : socket.conn.close()),
  };
}

/** The same object for the same namespace. */
function roomsOf(namespace: object | undefined): Rooms | undefined {
  if (!isNamespace(namespace)) return undefined;
  const known = namespaces.get(namespace);
  if (known !== undefined) return known;
  const rooms: Rooms = {
    emit(to, push, except) {
      const receivers = namespace.to([...to]);
      (except.length === 0 ? receivers : receivers.except(except)).emit(PUSH_EVENT, push);
    },
    join: (selector, room) => namespace.in(selector).socketsJoin(room),
    leave: (selector, room) => namespace.in(selector).socketsLeave(room),
  };
  namespaces.set(namespace, rooms);
  return rooms;
}

function isNamespace(value: object | undefined): value is SocketNamespace {
  if (value === undefined) return false;
  return ['to', 'in', 'socketsJoin', 'socketsLeave', 'fetchSockets'].every(
    (method) => typeof Reflect.get(value, method) === 'function',
  );
}
