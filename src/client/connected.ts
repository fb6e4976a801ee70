/*
 * What the client loads when it connects, or with the first message before that: one chunk, so that one request fetches it
 * during the handshake. It also loads the chunks below, so that bundlers know that these can share its modules.
 */
import { parseMessage, parsePresence } from '../transport/parse-rows.ts';

export { openStorage } from '../storage/open-storage.ts';
export { watchPage } from './connection/page-events.ts';
export { Dispatcher } from './outbox/dispatcher.ts';
export { PresenceTracker } from './presence/presence-tracker.ts';
export { TypingTracker } from './presence/typing-tracker.ts';
export { createPushRouter } from './state-updater.ts';

/** The parsers that parts of the first load use. */
export const rows = { parseMessage, parsePresence };
/** Loads the parts of the client that read. */
export const loadReader = (): Promise<typeof import('./reader.ts')> => import('./reader.ts');
/** Loads what determines why an attempt to connect failed. */
export const loadDiagnosis = (): Promise<typeof import('./connection/diagnose.ts')> =>
  import('./connection/diagnose.ts');
/** Loads what a LumenJS server needs. */
export const loadBaseServer = (): Promise<typeof import('./base-server.ts')> => import('./base-server.ts');
