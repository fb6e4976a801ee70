import type { Push } from '../../protocol/events.ts';
import { PUSH_EVENT } from '../../protocol/events.ts';

/**
 * The context that LumenJS passes to a page's `socket()`, as far as the server uses it. Only `socket.id` is required,
 * because contexts in apps' tests often contain nothing else.
 */
export interface LumenContext {
  /** Listens to `nk:<event>` on the socket and passes all its arguments. */
  on(event: string, handler: (...args: unknown[]) => void): void;
  /** Emits `nk:data` to this socket. */
  push(data: unknown): void;
  /** The rooms of the page. */
  readonly room: {
    /** Joins a room. */
    join(name: string): void;
    /** Leaves a room. */
    leave(name: string): void;
    /** Emits `nk:data` to the other sockets in a room. */
    broadcast(name: string, data: unknown): void;
    /** Emits `nk:data` to every socket in a room. */
    broadcastAll(name: string, data: unknown): void;
  };
  /** Parameters of the page's route. */
  readonly params?: Readonly<Record<string, string>> | undefined;
  /** Headers of the handshake. */
  readonly headers?: Readonly<Record<string, string | string[] | undefined>> | undefined;
  /** Language of the page. */
  readonly locale?: string | undefined;
  /** The socket itself. */
  readonly socket: LumenSocket;
  /** The user that the framework authenticated. */
  readonly user?: unknown;
}

/** The Engine.IO connection below a socket. */
export interface EngineSocket {
  /** Closes the connection; `discard` drops what is still queued. */
  close(discard?: boolean): unknown;
}

/** The Socket.IO socket, in the version that the framework uses. */
export interface LumenSocket {
  /** Id of the socket. */
  readonly id: string;
  /** Data that the client sent with the handshake. */
  readonly handshake?:
    | {
        /** Query parameters of the handshake. */
        readonly query?: Readonly<Record<string, string | string[] | undefined>> | undefined;
        /** The client's `auth` payload. */
        readonly auth?: unknown;
        /** Headers of the handshake. Names are lower case. */
        readonly headers?: Readonly<Record<string, string | string[] | undefined>> | undefined;
      }
    | undefined;
  /** The namespace of the socket. */
  readonly nsp?: object | undefined;
  /** Closes the connection; the client doesn't reconnect automatically. */
  disconnect?(close?: boolean): unknown;
  /** Rooms of the namespace that the socket is in. */
  readonly rooms?: ReadonlySet<string> | undefined;
  /** Joins rooms of the namespace. */
  join?(rooms: string | string[]): unknown;
  /** Leaves a room of the namespace. */
  leave?(room: string): unknown;
  /** The Engine.IO connection below the namespace. If it is closed, the client reconnects automatically. */
  readonly conn?: EngineSocket | undefined;
}

/** A socket as the server uses it, with or without a Socket.IO namespace. */
export interface SocketAdapter {
  readonly id: string;
  /** The rooms of the socket's namespace, in all processes; `undefined` for a context without a namespace. */
  readonly rooms: Rooms | undefined;
  push(push: Push): void;
  /** Emits to every socket in the room, including this one. */
  broadcastAll(room: string, push: Push): void;
  join(rooms: readonly string[]): void;
  leave(room: string): void;
  /** Returns the rooms of the namespace that the socket is in. */
  joined(): readonly string[];
  /** Disconnects the client; it doesn't reconnect automatically. */
  disconnect(): void;
  /** Closes the connection below Socket.IO; the client reconnects after its backoff. */
  drop(): void;
}

/** The rooms of a Socket.IO namespace. A Socket.IO adapter extends them to other processes. */
export interface Rooms {
  /** Emits a push to rooms. It is serialized once, and a socket in several of the rooms receives it once. */
  emit(to: readonly string[], push: Push, except: readonly string[]): void;
  /** Returns false if no socket of any process is in the room. */
  mayHave(room: string): boolean;
  /** Returns the number of sockets of this process in the room. */
  size(room: string): number;
  /** Returns the ids of the sockets of this process in the room. */
  members(room: string): readonly string[];
  /** Adds every socket in the room `selector` to `room`. */
  join(selector: string, room: string): void;
  /** Removes every socket in the room `selector` from `room`. */
  leave(selector: string, room: string): void;
  /** Tells the listener from now on which rooms have sockets of this process. */
  observe?(listener: RoomListener): void;
}

/** Is told which rooms have sockets of this process. */
export interface RoomListener {
  /** The first socket has entered the room. */
  opened(room: string): void;
  /** The last socket has left the room. */
  closed(room: string): void;
}

interface Selection {
  except(rooms: readonly string[]): Selection;
  emit(event: string, data: unknown): unknown;
  socketsJoin(room: string): void;
  socketsLeave(room: string): void;
}
interface SocketNamespace {
  readonly adapter?:
    | {
        readonly rooms?: ReadonlyMap<string, ReadonlySet<string>>;
        on?(event: 'create-room' | 'delete-room', listener: (room: string) => void): unknown;
      }
    | undefined;
  to(rooms: string[]): Selection;
  in(room: string): Selection;
}

const namespaces = new WeakMap<object, Rooms>();

/** Creates the adapter of a context. Uses Socket.IO's rooms where the socket has them. */
export function createSocketAdapter(context: Omit<LumenContext, 'on'>): SocketAdapter {
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
    joined: () => [...(socket.rooms ?? [])],
    disconnect: () => void socket.disconnect?.(),
    drop: () => void (socket.conn === undefined ? socket.disconnect?.() : socket.conn.close()),
  };
}

/** Returns the same object for the same namespace. */
function roomsOf(namespace: object | undefined): Rooms | undefined {
  if (!isNamespace(namespace)) return undefined;
  const known = namespaces.get(namespace);
  if (known !== undefined) return known;
  const mayHave = (room: string): boolean => {
    const { adapter } = namespace;
    // The adapter of one process, which every other one extends.
    return adapter?.constructor.name !== 'Adapter' || adapter.rooms?.has(room) !== false;
  };
  const rooms: Rooms = {
    emit(to, push, except) {
      const receivers = namespace.to([...to]);
      (except.length === 0 ? receivers : receivers.except(except)).emit(PUSH_EVENT, push);
    },
    mayHave,
    size: (room) => namespace.adapter?.rooms?.get(room)?.size ?? 0,
    members: (room) => [...(namespace.adapter?.rooms?.get(room) ?? [])],
    // Most members of a group are not connected.
    join(selector, room) {
      if (mayHave(selector)) namespace.in(selector).socketsJoin(room);
    },
    leave(selector, room) {
      if (mayHave(selector)) namespace.in(selector).socketsLeave(room);
    },
    observe(listener) {
      for (const room of namespace.adapter?.rooms?.keys() ?? []) listener.opened(room);
      namespace.adapter?.on?.('create-room', (room) => listener.opened(room));
      namespace.adapter?.on?.('delete-room', (room) => listener.closed(room));
    },
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
