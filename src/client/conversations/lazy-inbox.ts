import { ObservableValue, type Observable } from '../../lib/observable.ts';
import type { ClientContext } from '../context.ts';
import type { InboxSnapshot, InboxState } from './inbox-state.ts';

const NOTHING: InboxSnapshot = Object.freeze({ conversations: Object.freeze([]), loading: false, hasMore: false });

/** The inbox as the app holds it: what it is made of is loaded with the first look at it. */
export class LazyInbox implements Observable<InboxSnapshot> {
  readonly getSnapshot: () => InboxSnapshot;
  readonly getServerSnapshot: () => InboxSnapshot;
  readonly #snapshot: ObservableValue<InboxSnapshot>;
  readonly #load: () => Promise<InboxState>;
  readonly #report: (error: unknown) => void;
  #loading = false;

  constructor(context: ClientContext, load: () => Promise<InboxState>) {
    this.#snapshot = new ObservableValue(NOTHING, context.report);
    this.getSnapshot = this.#snapshot.getSnapshot;
    this.getServerSnapshot = this.#snapshot.getServerSnapshot;
    this.#load = load;
    this.#report = context.report;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    const stop = this.#snapshot.subscribe(listener);
    if (!this.#loading) {
      this.#loading = true;
      this.#load().then(
        (inbox) => inbox.show((snapshot) => this.#snapshot.set(snapshot)),
        (error: unknown) => {
          this.#loading = false;
          this.#report(error);
        },
      );
    }
    return stop;
  };
}
