import {
  derivePresence,
  type DerivedPresence,
  type Device,
  type Ephemera,
  type LocalPresence,
  type UserPresence,
} from './ephemera.ts';
import type { CommunicationStore } from './memory-ephemera.ts';

const NO_DEVICES: readonly Device[] = [];

/** The ephemera of a process that is the only one. Every answer is known at once. */
export class LocalEphemera implements Ephemera {
  readonly connected = true;
  readonly processes = 1;
  readonly #store: CommunicationStore;

  constructor(store: CommunicationStore) {
    this.#store = store;
  }

  listen(): void {
    // Nothing happens elsewhere.
  }

  setPresence(userId: string, { devices, isLeaving = false, chosen, at }: LocalPresence): DerivedPresence {
    const before = this.#store.getPresence(userId);
    const isConnected = devices.length > 0 || isLeaving;
    const statuses = devices.map(({ status }) => status);
    const known = before?.status ?? 'offline';
    const status = isLeaving ? known : derivePresence(statuses, chosen);
    const isChanged = status !== known;
    const lastSeen = isChanged ? this.#store.setPresence(userId, status, at).lastSeen : before?.lastSeen;
    if (!isConnected) this.#store.removePresence(userId);
    return { status, lastSeen, isChanged, isConnected };
  }

  presenceOf(userIds: readonly string[]): ReadonlyMap<string, UserPresence> {
    const known = new Map<string, UserPresence>();
    for (const userId of userIds) {
      const entry = this.#store.getPresence(userId);
      if (entry !== undefined) known.set(userId, entry);
    }
    return known;
  }

  devicesElsewhere(): readonly Device[] {
    return NO_DEVICES;
  }

  spend(): void {
    // This process knows all that was used.
  }

  count(): void {
    // As above.
  }

  countElsewhere(): number {
    return 0;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
