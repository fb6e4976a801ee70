import { Emitter } from '../lib/emitter.ts';
import { errorFields, type Logger } from '../lib/logger.ts';
import { CommError, isCommError } from '../protocol/errors.ts';
import type { CommEvents } from './events.ts';

/** Creates the emitter of the client and reports errors that no caller awaits. */
export class ErrorReporter {
  readonly emitter: Emitter<CommEvents> = new Emitter((error, event) => this.#listenerThrew(error, event));
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Logs an error and emits it as the event `error`. Returns what was emitted. */
  readonly report = (error: unknown): CommError => {
    this.#logger.warn('Unawaited failure', errorFields(error));
    const reported = isCommError(error) ? error : new CommError('INTERNAL', 'Internal error', { cause: error });
    this.emitter.emit('error', reported);
    return reported;
  };

  #listenerThrew(error: unknown, event: keyof CommEvents): void {
    this.#logger.error('A listener threw', { event, ...errorFields(error) });
    // In a task of its own, so that listeners of `error` do not run inside of the emit that failed.
    if (event !== 'error') queueMicrotask(() => this.report(error));
  }
}
