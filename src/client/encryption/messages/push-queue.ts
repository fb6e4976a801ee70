import { deferred, type Deferred } from '../../../lib/deferred.ts';
import { Gate } from '../../../lib/gate.ts';

interface QueuedPush {
  readonly prepare: (() => Promise<unknown>) | undefined;
  readonly deliver: (prepared: unknown) => void;
}

/** Delivers pushes in the order in which they arrived, although some need an asynchronous preparation. */
export class PushQueue {
  readonly #report: (error: unknown) => void;
  /** Closed while a push is prepared. `clear()` drops the buffered pushes and the one that is prepared. */
  readonly #gate = new Gate<QueuedPush>((push) => this.#process(push), { open: true });
  /** Incremented by {@link clear}, so that the preparation that is under way has no effect. */
  #epoch = 0;
  #idle: Deferred<void> = deferred();

  constructor(report: (error: unknown) => void) {
    this.#report = report;
  }

  /**
   * Delivers a push after the earlier ones. At once if none waits and it needs no preparation.
   *
   * @param prepare - its result is passed to `deliver`; if it rejects, the push is dropped and the error reported
   */
  run(prepare: QueuedPush['prepare'], deliver: QueuedPush['deliver']): void {
    this.#gate.push({ prepare, deliver });
  }

  /** Resolves when no push waits. */
  async drained(): Promise<void> {
    while (!this.#gate.isOpen) await this.#idle.promise;
  }

  /** Drops the waiting pushes. */
  clear(): void {
    this.#epoch += 1;
    this.#gate.reset();
    this.#resume();
  }

  #process({ prepare, deliver }: QueuedPush): void {
    if (prepare === undefined) return deliver(undefined);
    this.#gate.close();
    const epoch = this.#epoch;
    const isCurrent = (): boolean => epoch === this.#epoch;
    prepare()
      .then((prepared) => {
        if (isCurrent()) deliver(prepared);
      })
      .catch(this.#report)
      .then(() => {
        if (isCurrent()) this.#resume();
      })
      .catch(this.#report);
  }

  #resume(): void {
    this.#idle.resolve();
    this.#idle = deferred();
    this.#gate.open();
  }
}
