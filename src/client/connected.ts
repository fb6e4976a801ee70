/*
 * What the client loads when it connects, or with the first message before that: one chunk, so that one request fetches it
 * during the handshake. It also loads the chunks below, so that bundlers know that these can share its modules.
 */
import { isVolatile } from '../storage/memory-storage.ts';
import type { ClientStorage } from '../storage/resilient-storage.ts';
import type { Lazy } from '../lib/lazy.ts';
import { parseMessage, parsePresence } from '../transport/parse-rows.ts';
import type { ClientContext } from './context.ts';
import type { Reader } from './reader.ts';
import type { UserDirectory } from './users/user-directory.ts';
import type { OfflineCache } from './offline/offline-cache.ts';
import type { ResolvedOptions } from './options.ts';

export { openStorage } from '../storage/open-storage.ts';
export { watchPage } from './connection/page-events.ts';
export { MessageChanges } from './messages/message-changes.ts';
export { Dispatcher } from './outbox/dispatcher.ts';
export { PresenceTracker } from './presence/presence-tracker.ts';
export { TypingTracker } from './presence/typing-tracker.ts';
export { createPushRouter } from './state-updater.ts';

/** The parsers that parts of the first load use. */
export const rows = { parseMessage, parsePresence };
/** Loads the parts of the client that read. */
export const loadReader = (): Promise<typeof import('./reader.ts')> => import('./reader.ts');
/** Opens what is kept for the next session without a network. Resolves with `undefined` if nothing is kept. */
export async function loadOffline(
  context: ClientContext,
  storage: ClientStorage,
  { offline, storage: given }: Pick<ResolvedOptions, 'offline' | 'storage'>,
): Promise<OfflineCache | undefined> {
  if (offline === false || (given === undefined ? !('indexedDB' in globalThis) : isVolatile(given))) return undefined;
  const { openOfflineCache } = await import('./offline/offline-cache.ts');
  return openOfflineCache(context, storage, offline);
}
/** Loads what determines why an attempt to connect failed. */
export const loadDiagnosis = (): Promise<typeof import('./connection/diagnose.ts')> =>
  import('./connection/diagnose.ts');
/** Loads what a LumenJS server needs. */
export const loadBaseServer = (): Promise<typeof import('./base-server.ts')> => import('./base-server.ts');
/** Loads and creates what holds profiles. */
export async function createUserDirectory(context: ClientContext, reader: Lazy<Reader>): Promise<UserDirectory> {
  const { UserDirectory: Directory } = await import('./users/user-directory.ts');
  return new Directory(context, (id) => reader.current?.inbox.participant(id));
}
