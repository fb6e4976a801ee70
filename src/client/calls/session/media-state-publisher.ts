import type { MediaState } from './roster.ts';

/** Publishes what this device sends. Changes are sent one after another; changes made meanwhile are combined. */
export class MediaStatePublisher {
  readonly #current: () => MediaState;
  readonly #send: (changed: Partial<MediaState>) => Promise<boolean>;
  #published: MediaState;
  #isPublishing = false;

  /**
   * @param assumed - the state that others assume before the first publication
   * @param send - sends changed fields; resolves to whether the server received them
   */
  constructor(
    assumed: MediaState,
    current: () => MediaState,
    send: (changed: Partial<MediaState>) => Promise<boolean>,
  ) {
    this.#published = assumed;
    this.#current = current;
    this.#send = send;
  }

  /**
   * Sends what changed since the last publication. After a failure, the change is sent by the next call.
   *
   * @param known - the state that the server has, known after a reconnect
   */
  async publish(known?: MediaState): Promise<void> {
    if (known !== undefined) this.#published = known;
    if (this.#isPublishing) return;
    this.#isPublishing = true;
    try {
      for (;;) {
        const changed = difference(this.#published, this.#current());
        if (changed === undefined || !(await this.#send(changed))) return;
        this.#published = { ...this.#published, ...changed };
      }
    } finally {
      this.#isPublishing = false;
    }
  }
}

function difference(before: MediaState, now: MediaState): Partial<MediaState> | undefined {
  const changed: Partial<MediaState> = {};
  for (const key of ['audioMuted', 'videoMuted', 'screenSharing'] as const) {
    if (before[key] !== now[key]) changed[key] = now[key];
  }
  return Object.keys(changed).length === 0 ? undefined : changed;
}
