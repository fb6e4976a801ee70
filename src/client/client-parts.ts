import type { Lazy } from '../lib/lazy.ts';
import type { CallManager } from './calls/session/call-manager.ts';
import type { ConnectionManager } from './connection/connection-manager.ts';
import type { ServerInfo } from './connection/server-info.ts';
import type { ServerRequester } from './connection/server-requester.ts';
import type { ConversationViews } from './conversations/conversation-view.ts';
import type { OfflineCache } from './offline/offline-cache.ts';
import type { Outbox } from './outbox/outbox.ts';
import type { PresenceTracker } from './presence/presence-tracker.ts';
import type { TypingTracker } from './presence/typing-tracker.ts';
import type { Reader } from './reader.ts';
import type { UserDirectory } from './users/user-directory.ts';
import type { LazySync } from './sync/lazy-sync.ts';
import type { PushRouter } from './sync/push-router.ts';

/** The parts of the client that a connection brings in step with the server. */
export interface ClientParts {
  readonly server: ServerInfo;
  readonly connection: ConnectionManager;
  readonly requester: ServerRequester;
  readonly sync: LazySync;
  readonly outbox: Outbox;
  readonly reader: Lazy<Reader>;
  /** `undefined` if nothing is kept for the next session. */
  readonly offline: Lazy<OfflineCache | undefined>;
  readonly views: ConversationViews;
  readonly typing: Lazy<TypingTracker>;
  readonly presence: Lazy<PresenceTracker>;
  readonly users: Lazy<UserDirectory>;
  readonly calls: Lazy<CallManager>;
  readonly router: Lazy<PushRouter>;
}
