import type { Push } from '../../../src/protocol/events.ts';
import type { LumenContext } from '../../../src/server/index.ts';

type Listener = (...args: unknown[]) => void;

/** A LumenJS of the least kind: contexts without Socket.IO, which share rooms by their names. */
export class LumenBus {
  readonly #rooms = new Map<string, Set<BareContext>>();

  context(id: string, more: Partial<LumenContext> & { query?: Record<string, string> } = {}): BareContext {
    return new BareContext(this, id, more);
  }

  join(room: string, member: BareContext): void {
    this.#rooms.set(room, (this.#rooms.get(room) ?? new Set()).add(member));
  }

  leave(room: string, member: BareContext): void {
    this.#rooms.get(room)?.delete(member);
  }

  emit(room: string, data: unknown, except?: BareContext): void {
    for (const member of this.#rooms.get(room) ?? []) if (member !== except) member.push(data);
  }
}

/** No `nsp`, no `join`, no `conn`: what tests of apps hand to a handler. */
export class BareContext implements LumenContext {
  readonly pushes: Push[] = [];
  readonly room: LumenContext['room'];
  readonly headers: Record<string, string> = {};
  readonly socket: LumenContext['socket'];
  readonly user: unknown;
  disconnects = 0;
  readonly #listeners = new Map<string, Listener>();
  readonly #waiting = new Set<() => void>();

  constructor(
    bus: LumenBus,
    id: string,
    { query = {}, ...more }: Partial<LumenContext> & { query?: Record<string, string> },
  ) {
    this.socket = { id, handshake: { query }, disconnect: () => (this.disconnects += 1), ...more.socket };
    this.user = more.user;
    this.room = {
      join: (name) => bus.join(name, this),
      leave: (name) => bus.leave(name, this),
      broadcast: (name, data) => bus.emit(name, data, this),
      broadcastAll: (name, data) => bus.emit(name, data),
    };
  }

  on(event: string, handler: Listener): void {
    this.#listeners.set(event, handler);
  }

  get listens(): string[] {
    return [...this.#listeners.keys()];
  }

  readonly push = (data: unknown): void => {
    this.pushes.push(data as Push);
    for (const look of this.#waiting) look();
  };

  /** What arrives from the client. */
  receive(event: string, ...args: unknown[]): void {
    this.#listeners.get(event)?.(...args);
  }

  async ask(
    event: string,
    payload: unknown,
  ): Promise<{ ok: boolean; data?: { id: string }; error?: { code: string } }> {
    return await new Promise((resolve) => {
      this.receive(event, payload, resolve);
    });
  }

  next(event: Push['event']): Promise<Push['data']> {
    return new Promise((resolve) => {
      const look = (): void => {
        const found = this.pushes.find((push) => push.event === event);
        if (found === undefined) return;
        this.#waiting.delete(look);
        resolve(found.data);
      };
      this.#waiting.add(look);
      look();
    });
  }
}
