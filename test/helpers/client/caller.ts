import type { CallSession, CallSnapshot, CommClientOptions } from '../../../src/index.ts';
import { until, type App } from './app.ts';
import { FakePlatform } from './fake-media.ts';

/** An app with a fake media platform. */
export interface Caller {
  readonly app: App;
  readonly platform: FakePlatform;
}

/** Starts an app that can place calls. */
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

/** Resolves with the next incoming call. */
export function incomingCall({ app }: Caller): Promise<CallSession> {
  return app.next('call');
}

/** Resolves when the call is in one of the states. */
export function becomes(call: CallSession, ...states: CallSnapshot['state'][]): Promise<CallSnapshot> {
  return until(call, ({ state }) => states.includes(state));
}

/** Counts the resources that the calls of an app still hold. */
export function heldResources({ platform }: Caller): Record<string, number> {
  return {
    listeners: platform.listeners,
    backends: platform.backends.filter(({ closed }) => closed !== 1).length,
    localMedia: platform.locals.filter(({ disposed }) => disposed !== 1).length,
  };
}

/** The result of {@link heldResources} when all calls are closed. */
export const NO_RESOURCES = { listeners: 0, backends: 0, localMedia: 0 };
