import type { CallSession, CommClient, CommEvents } from 'lumen-comm';
import { Cell } from '../lib/watch.ts';

export interface LoggedEvent {
  readonly number: number;
  readonly at: number;
  readonly name: keyof CommEvents;
  readonly payload: unknown;
}

/** All client events. The type makes the compiler report a missing one. */
const EVENTS: Readonly<Record<keyof CommEvents, true>> = {
  status: true,
  error: true,
  'message:pending': true,
  'message:failed': true,
  'encryption:identity-changed': true,
  'encryption:members-changed': true,
  'user:updated': true,
  'encryption:decryption-failed': true,
  'message:new': true,
  'message:updated': true,
  'message:deleted': true,
  'message:status': true,
  'message:reaction-update': true,
  'message:forwarded': true,
  'typing:update': true,
  'presence:changed': true,
  'conversation:new': true,
  'conversation:updated': true,
  'conversation:left': true,
  'read-receipt:update': true,
  call: true,
};
const KEPT = 1_000;

/** Records the newest events of a client, newest first. */
export class EventLog {
  readonly entries = new Cell<readonly LoggedEvent[]>([]);
  readonly paused = new Cell(false);
  #number = 0;

  attach(client: CommClient, signal: AbortSignal): void {
    for (const name of Object.keys(EVENTS) as (keyof CommEvents)[]) {
      if (name !== 'call') client.on(name, (payload) => this.#add(name, payload), { signal });
    }
    // A `CallSession` is a live object; its identifying fields are recorded instead.
    const told = ({ id, conversationId, type, callerId }: CallSession): void =>
      this.#add('call', { id, conversationId, type, callerId });
    client.on('call', told, { signal });
  }

  clear(): void {
    this.entries.set([]);
  }

  #add(name: keyof CommEvents, payload: unknown): void {
    if (this.paused.value) return;
    const entry = { number: (this.#number += 1), at: Date.now(), name, payload };
    this.entries.set([entry, ...this.entries.value.slice(0, KEPT - 1)]);
  }
}
