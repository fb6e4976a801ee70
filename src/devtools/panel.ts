import type { ClientParts } from '../client/client-parts.ts';
import type { CommClient } from '../client/comm-client.ts';
import type { DevtoolsOptions } from './options.ts';
import type { EventLog } from './event-log.ts';
import type { ClientFigures } from './figures.ts';

/** What the panels show. */
export interface PanelContext {
  readonly client: CommClient;
  readonly parts: ClientParts;
  readonly options: DevtoolsOptions;
  readonly log: EventLog;
  readonly figures: ClientFigures;
  /** Aborted when the panel is replaced or the tools are unmounted. */
  readonly signal: AbortSignal;
}

/** How often what emits no event is read again. */
const REFRESH_MS = 500;

/** Calls `show` now, after each change of `sources`, and every {@link REFRESH_MS}, until `signal` is aborted. */
export function follow(
  show: () => void,
  sources: readonly ((listener: () => void) => () => void)[],
  signal: AbortSignal,
): void {
  show();
  const timer = setInterval(show, REFRESH_MS);
  const stops = sources.map((subscribe) => subscribe(show));
  signal.addEventListener('abort', () => {
    clearInterval(timer);
    for (const stop of stops) stop();
  });
}
