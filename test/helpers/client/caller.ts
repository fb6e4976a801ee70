import type { CallSession, CallSnapshot, CommClientOptions } from '../../../src/index.ts';
import { until, type App } from './app.ts';
import { FakePlatform } from './fake-media.ts';

/** An app that can call, with media that isn't there. */
export interface Caller {
  readonly app: App;
  readonly platform: FakePlatform;
}

export async function caller(
  join: (userId: string, options: CommClientOptions) => Promise<App>,
  userId: string,
  options: Omit<NonNullable<CommClientOptions['calls']>, 'platform'> &
    Pick<CommClientOptions, 'clock' | 'encryption' | 'storage'> = {},
): Promise<Caller> {
  const platform = new FakePlatform();
  const { clock, encryption, storage, ...calls } = options;
  const more = { clock, encryption, ...(storage !== undefined && { storage }) };
  return { app: await join(userId, { calls: { ...calls, platform }, ...more }), platform };
}

/** The next call that rings at somebody. */
export function rings({ app }: Caller): Promise<CallSession> {
  return app.next('call');
}

export function becomes(call: CallSession, ...states: CallSnapshot['state'][]): Promise<CallSnapshot> {
  return until(call, ({ state }) => states.includes(state));
}

/** Everything that a call of this user still holds. */
export function leftovers({ platform }: Caller): Record<string, number> {
  return {
    listeners: platform.listeners,
    links: platform.backends.filter(({ closed }) => closed !== 1).length,
    devices: platform.locals.filter(({ disposed }) => disposed !== 1).length,
  };
}

export const NOTHING_LEFT = { listeners: 0, links: 0, devices: 0 };
