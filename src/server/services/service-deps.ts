import type { Clock } from '../../lib/clock.ts';
import type { Logger } from '../../lib/logger.ts';
import type { ResolvedConfig } from '../config.ts';
import type { ServerHooks } from '../hooks.ts';
import type { Store } from '../store/store.ts';
import type { ServerLimits } from './limits/server-limits.ts';
import type { UserBudgets } from './limits/user-budgets.ts';
import type { ContactPolicy } from './people/contact-policy.ts';
import type { Broadcaster, PresenceReader, ProfileResolver, RunningCalls } from './ports.ts';

/** Dependencies of the chat services. */
export interface ServiceDeps {
  readonly store: Store;
  readonly broadcaster: Broadcaster;
  readonly clock: Clock;
  readonly config: ResolvedConfig;
  /** Replaced in place when the app configures the core: read each limit when it is applied. */
  readonly limits: Readonly<ServerLimits>;
  readonly budgets: UserBudgets;
  readonly contacts: ContactPolicy;
  /** Filled in when the app configures the core: read each hook when it is called. */
  readonly hooks: Readonly<ServerHooks>;
  readonly logger: Logger;
  readonly presence: PresenceReader;
  readonly profiles: ProfileResolver;
  readonly runningCalls: RunningCalls;
  /** Returns whether the app stores files. */
  readonly storesFiles: () => boolean;
}

/** Returns the current time as ISO 8601. */
export function isoNow(clock: Clock): string {
  return new Date(clock.now()).toISOString();
}
