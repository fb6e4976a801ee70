import type { CommClient, Participant, PresenceStatus, PresenceUpdate } from 'lumen-comm';
import type { Subscribe } from '../lib/watch.ts';

const MOST_WATCHED = 300;

/** Watches the presence of this user and of the participants of all conversations. */
export class PresenceTracker {
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
    // Starts the new watch before stopping the old one, so that users in both stay subscribed.
    const stop = this.#client.presence.watch(wanted);
    this.#stop();
    this.#stop = stop;
  }
}
