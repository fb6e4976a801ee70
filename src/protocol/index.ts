/**
 * The wire protocol: events, types, schemas, limits and error codes that client and server share.
 *
 * @module
 */
export * from './attachment-url.ts';
export * from './batches.ts';
export * from './calls.ts';
export * from './constants.ts';
export * from './conversations.ts';
export * from './encryption.ts';
export * from './errors.ts';
export * from './event-schemas.ts';
export * from './events.ts';
export * from './files.ts';
export * from './groups.ts';
export * from './handshake.ts';
export * from './limits.ts';
export * from './link-previews.ts';
export * from './messages.ts';
export * from './metadata.ts';
export * from './moderation.ts';
export * from './presence.ts';
export * from './receipts.ts';
export * from './rest.ts';
export * from './threads.ts';
export * from './users.ts';
