import type { CommClient, Participant, PresenceStatus, PresenceUpdate } from 'lumen-comm';
import type { Subscribe } from '../lib/watch.ts';

const MOST_WATCHED = 300;

/** How everybody in the list of conversations is, and this user too. */
export class PresenceBook {
  readonly #client: CommClient;
  readonly #ownId: string;
  #watched = '';
  #stop = (): void => undefined;

  constructor(client: CommClient, ownId: string, signal: AbortSignal) {
    this.#client = client;
    this.#ownId = ownId;
    const { inbox } = client.conversations;
    const stop = inbox.subscribe(() => this.#follow());
    signal.addEventListener('abort', () => {
      stop();
      this.#stop();
    });
    this.#follow();
  }

  readonly subscribe: Subscribe = (listener) => this.#client.on('presence:changed', listener);

  of(participant: Pick<Participant, 'userId'> & Partial<Participant>): PresenceStatus {
    return this.update(participant.userId)?.status ?? participant.presence ?? 'offline';
  }

  update(userId: string): PresenceUpdate | undefined {
    return this.#client.presence.get(userId);
  }

  #follow(): void {
    const { conversations } = this.#client.conversations.inbox.getSnapshot();
    const ids = new Set([
      this.#ownId,
      ...conversations.flatMap(({ participants }) => participants.map((each) => each.userId)),
    ]);
    const wanted = [...ids].slice(0, MOST_WATCHED).sort();
    const key = wanted.join('\n');
    if (key === this.#watched) return;
    this.#watched = key;
    // The new watch first: whoever is in both is never let go of.
    const stop = this.#client.presence.watch(wanted);
    this.#stop();
    this.#stop = stop;
  }
}
