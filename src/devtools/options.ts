import type { Observable } from '../lib/observable.ts';
import type { FaultySocket } from '../testing/faulty-socket.ts';

/** Options of `mountDevtools()`. */
export interface DevtoolsOptions {
  /**
   * The element that the drawer becomes a child of, as a block.
   * @defaultValue `document.body`, at the bottom of the window
   */
  target?: HTMLElement | undefined;
  /**
   * True shows the drawer at once.
   * @defaultValue `false`: a button opens it
   */
  open?: boolean | undefined;
  /**
   * Called instead of closing the drawer, when the user closes it.
   * @defaultValue the drawer closes and the button is shown
   */
  onClose?: (() => void) | undefined;
  /** The socket of the client, if its faults are to be controlled; by `faultySocket()` of `lumen-comm/testing`. */
  faults?: FaultySocket | undefined;
  /**
   * The conversation that the app shows, as `What the server sees` does then.
   * @defaultValue an open conversation
   */
  conversation?: Pick<Observable<string | undefined>, 'getSnapshot' | 'subscribe'> | undefined;
  /** Name of the server process that the client is connected to, where the app knows it. Shown with the connection. */
  process?: Pick<Observable<string | undefined>, 'getSnapshot' | 'subscribe'> | undefined;
  /** Buttons of the app beside those for faults, by their labels. Each resolves with a text to show. */
  actions?: Readonly<Record<string, () => Promise<string>>> | undefined;
}
