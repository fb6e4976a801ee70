/*
 * The words of the wire: every closed list of names, and the places where the two sides meet. Apart from the schemas, so
 * that a client, which reads what it gets by hand, needn't carry a validator.
 */

/** Moves when the wire changes in a way that a peer can notice (`test/unit/protocol/wire.test.ts` watches it). */
export const PROTOCOL_VERSION = 1;

/** What every client of ours can do. */
export const PLAIN_CAPABILITIES = [
  'ack',
  'client-id',
  'rev',
  'delivered',
  'presence-watch',
  'multi-socket-call',
] as const;
/**
 * Everything of part 2 that this package can do today. A peer gets the intersection with what it offered. `mailbox` is
 * for those who encrypt: whoever offers it has to acknowledge what is handed over.
 */
export const CAPABILITIES = [...PLAIN_CAPABILITIES, 'mailbox'] as const;
/** One of {@link CAPABILITIES}. */
export type Capability = (typeof CAPABILITIES)[number];

/** Where the LumenJS framework puts its sockets and routes. */
export const DEFAULT_NAMESPACE = '/nk/messages';
export const DEFAULT_SOCKET_PATH = '/__nk_socketio/';
export const DEFAULT_REST_PATH = '/__nk_comm';

/** A client waits this long for `comm:hello` before it takes the peer for a base server. */
export const HELLO_TIMEOUT_MS = 1_000;

export const SENDABLE_TYPES = ['text', 'image', 'file', 'audio'] as const;
/** `system` and `call` messages are written by servers only. */
export const MESSAGE_TYPES = [...SENDABLE_TYPES, 'system', 'call'] as const;
export const MESSAGE_STATUSES = ['sending', 'sent', 'delivered', 'read', 'failed'] as const;

/** What a client may send. */
export type SendableType = (typeof SENDABLE_TYPES)[number];
/** What a message may be. */
export type MessageType = (typeof MESSAGE_TYPES)[number];
/** How far an own message has come; `sending` and `failed` are known to its sender's client alone. */
export type MessageStatus = (typeof MESSAGE_STATUSES)[number];

export const PRESENCE_STATUSES = ['online', 'away', 'busy', 'offline'] as const;
/** `offline` may be chosen, to appear so. */
export type PresenceStatus = (typeof PRESENCE_STATUSES)[number];

export const CONVERSATION_TYPES = ['direct', 'group'] as const;
export const ROLES = ['owner', 'admin', 'member'] as const;
/** Two people, or any number. */
export type ConversationType = (typeof CONVERSATION_TYPES)[number];
/** Owner and admins manage a group; a direct conversation has none to manage. */
export type Role = (typeof ROLES)[number];

export const CALL_TYPES = ['audio', 'video'] as const;
export const CALL_STATES = [
  'idle',
  'initiating',
  'ringing',
  'connecting',
  'connected',
  'reconnecting',
  'ended',
] as const;
export const CALL_END_REASONS = ['completed', 'rejected', 'missed', 'busy', 'failed', 'cancelled'] as const;
/** Why a device failed, as it says itself: no microphone or camera, no way to a peer, no word from the server. */
export const CALL_FAILURES = ['permission', 'ice', 'signalling'] as const;
/** Says more about an end than its reason does. */
export const CALL_END_DETAILS = ['answered_elsewhere', 'rejected_elsewhere', ...CALL_FAILURES] as const;
export const QUALITY_LEVELS = ['excellent', 'good', 'fair', 'poor'] as const;
export type CallType = (typeof CALL_TYPES)[number];
export type CallState = (typeof CALL_STATES)[number];
export type CallEndReason = (typeof CALL_END_REASONS)[number];
export type CallFailure = (typeof CALL_FAILURES)[number];
export type CallEndDetail = (typeof CALL_END_DETAILS)[number];
export type QualityLevel = (typeof QUALITY_LEVELS)[number];

/** Every REST route once, under the REST path (`/__nk_comm`); `:id` is a path segment, percent-encoded. */
export const REST_ROUTES = {
  listConversations: { method: 'GET', path: '/conversations' },
  createConversation: { method: 'POST', path: '/conversations' },
  getConversation: { method: 'GET', path: '/conversations/:id' },
  listMessages: { method: 'GET', path: '/conversations/:id/messages' },
  listChanges: { method: 'GET', path: '/conversations/:id/changes' },
  searchMessages: { method: 'GET', path: '/messages/search' },
  getMessage: { method: 'GET', path: '/messages/:id' },
  deleteMessage: { method: 'DELETE', path: '/messages/:id' },
} as const;
export type RestRouteName = keyof typeof REST_ROUTES;
