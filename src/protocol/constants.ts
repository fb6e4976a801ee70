/*
 * Constants of the wire: closed lists of values, default paths and REST routes. Separate from the schemas, so that the
 * client bundle, which parses server data without schemas, contains no validator.
 */

/** Version of the wire protocol, incremented by each change that a peer can observe (checked by `wire.test.ts`). */
export const PROTOCOL_VERSION = 1;

/** The capabilities that every client of this package offers. */
export const PLAIN_CAPABILITIES = [
  'ack',
  'client-id',
  'rev',
  'delivered',
  'presence-watch',
  'multi-socket-call',
  'uploads',
  'call-waiting',
  'batch',
  'threads',
  'moderation',
  'profiles',
  'resync',
] as const;
/**
 * All capabilities that this package implements. The server enables those that the client offers too. Only a client with
 * encryption offers `mailbox`, because it obliges the client to acknowledge each mailbox entry. Only a server that stores
 * files enables `uploads`.
 */
export const CAPABILITIES = [...PLAIN_CAPABILITIES, 'mailbox'] as const;
/** One of {@link CAPABILITIES}. */
export type Capability = (typeof CAPABILITIES)[number];

/** Default Socket.IO namespace: that of LumenJS's page `messages`. */
export const DEFAULT_NAMESPACE = '/nk/messages';
/** Default path of Engine.IO, as in LumenJS. */
export const DEFAULT_SOCKET_PATH = '/__nk_socketio/';
/** Default path of the REST API, as in LumenJS. */
export const DEFAULT_REST_PATH = '/__nk_comm';

/** How long a client waits for `comm:hello` before it treats the peer as a base server, in milliseconds. */
export const HELLO_TIMEOUT_MS = 1_000;

/** Message types that a client may send. */
export const SENDABLE_TYPES = ['text', 'image', 'file', 'audio'] as const;
/** All message types. Only servers create `system` and `call` messages. */
export const MESSAGE_TYPES = [...SENDABLE_TYPES, 'system', 'call'] as const;
/** All delivery states of a message, in order; `failed` is final. */
export const MESSAGE_STATUSES = ['sending', 'sent', 'delivered', 'read', 'failed'] as const;

/** One of {@link SENDABLE_TYPES}. */
export type SendableType = (typeof SENDABLE_TYPES)[number];
/** One of {@link MESSAGE_TYPES}. */
export type MessageType = (typeof MESSAGE_TYPES)[number];
/** Delivery state of a message. `sending` and `failed` exist only in the sender's client. */
export type MessageStatus = (typeof MESSAGE_STATUSES)[number];

/** All presence states. */
export const PRESENCE_STATUSES = ['online', 'away', 'busy', 'offline'] as const;
/** One of {@link PRESENCE_STATUSES}. A user may select `offline` to appear offline. */
export type PresenceStatus = (typeof PRESENCE_STATUSES)[number];

/** All conversation types. */
export const CONVERSATION_TYPES = ['direct', 'group'] as const;
/** Who may enter a group: `private`, whom an owner or admin adds; `public`, every user. */
export const VISIBILITIES = ['private', 'public'] as const;
/** All roles in a group, highest first. */
export const ROLES = ['owner', 'admin', 'member'] as const;
/** `direct`: exactly two participants; `group`: any number. */
export type ConversationType = (typeof CONVERSATION_TYPES)[number];
/** One of {@link VISIBILITIES}. */
export type Visibility = (typeof VISIBILITIES)[number];
/** Role of a participant. Owners and admins manage a group; roles have no effect in direct conversations. */
export type Role = (typeof ROLES)[number];

/** All call types. */
export const CALL_TYPES = ['audio', 'video'] as const;
/** All call states. */
export const CALL_STATES = [
  'idle',
  'initiating',
  'ringing',
  'connecting',
  'connected',
  'reconnecting',
  'ended',
] as const;
/** All reasons for which a call ends. */
export const CALL_END_REASONS = ['completed', 'rejected', 'missed', 'busy', 'failed', 'cancelled'] as const;
/**
 * Why a device failed: `permission` (no access to microphone or camera), `ice` (no connection to a peer) or `signalling` (no
 * answer from the server).
 */
export const CALL_FAILURES = ['permission', 'ice', 'signalling'] as const;
/** Further details of an end reason. */
export const CALL_END_DETAILS = ['answered_elsewhere', 'rejected_elsewhere', 'moved', ...CALL_FAILURES] as const;
/** All connection quality levels, best first. */
export const QUALITY_LEVELS = ['excellent', 'good', 'fair', 'poor'] as const;
/** One of {@link CALL_TYPES}. */
export type CallType = (typeof CALL_TYPES)[number];
/** One of {@link CALL_STATES}. */
export type CallState = (typeof CALL_STATES)[number];
/** One of {@link CALL_END_REASONS}. */
export type CallEndReason = (typeof CALL_END_REASONS)[number];
/** One of {@link CALL_FAILURES}. */
export type CallFailure = (typeof CALL_FAILURES)[number];
/** One of {@link CALL_END_DETAILS}. */
export type CallEndDetail = (typeof CALL_END_DETAILS)[number];
/** One of {@link QUALITY_LEVELS}. */
export type QualityLevel = (typeof QUALITY_LEVELS)[number];

/**
 * All REST routes, relative to the REST path (`/__nk_comm`). `:id` is one percent-encoded path segment. The comments are the
 * descriptions in the OpenAPI document.
 */
export const REST_ROUTES = {
  /** Returns a page of the caller's conversations, the latest activity first. */
  listConversations: { method: 'GET', path: '/conversations' },
  /** Creates a conversation, or returns the existing direct conversation of the two users. */
  createConversation: { method: 'POST', path: '/conversations' },
  /** Returns a conversation of the caller. */
  getConversation: { method: 'GET', path: '/conversations/:id' },
  /** Returns a page of the members of a conversation, by user id. */
  listMembers: { method: 'GET', path: '/conversations/:id/members' },
  /** Returns a page of the bans of a group, ordered by user id. For its owner and admins. */
  listBans: { method: 'GET', path: '/conversations/:id/bans' },
  /** Returns a page of the messages of a conversation, newest first. */
  listMessages: { method: 'GET', path: '/conversations/:id/messages' },
  /** Returns a page of the pinned messages of a conversation, the newest pin first. */
  listPinned: { method: 'GET', path: '/conversations/:id/pinned' },
  /** Returns the messages of a conversation that have changed since a `rev`, in the order of their changes. */
  listChanges: { method: 'GET', path: '/conversations/:id/changes' },
  /** Searches the readable messages of the caller's conversations. Returns the newest first. */
  searchMessages: { method: 'GET', path: '/messages/search' },
  /** Returns a message of one of the caller's conversations. */
  getMessage: { method: 'GET', path: '/messages/:id' },
  /** Deletes a message of the caller. Returns its tombstone. */
  deleteMessage: { method: 'DELETE', path: '/messages/:id' },
  /** Makes previews of the links in a text. Disabled (`UNSUPPORTED`) unless the server's operator enables it. */
  linkPreviews: { method: 'POST', path: '/link-preview' },
  /** Searches users by name or id. Disabled (`UNSUPPORTED`) unless the server's operator enables it. */
  searchUsers: { method: 'GET', path: '/users/search' },
  /** Returns the profile of a user whom the caller may see. */
  getUser: { method: 'GET', path: '/users/:id' },
} as const;
/** Name of a route in {@link REST_ROUTES}. */
export type RestRouteName = keyof typeof REST_ROUTES;
