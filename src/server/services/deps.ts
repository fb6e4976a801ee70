import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/logger.ts';
import type { ResolvedConfig } from '../config.ts';
import type { Store } from '../store/store.ts';
import type { Hub, PresenceReader } from './ports.ts';

/** What the chat services are made of. */
export interface ServiceDeps {
  readonly store: Store;
  readonly hub: Hub;
  readonly clock: Clock;
  readonly config: ResolvedConfig;
  readonly logger: Logger;
  readonly presence: PresenceReader;
}

export function isoNow(clock: Clock): string {
  return new Date(clock.now()).toISOString();
}
