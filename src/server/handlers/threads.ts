import { defineHandler } from './define-handler.ts';

/** Handles `thread:read`: advances the caller's read position in a thread. */
export const onThreadRead = defineHandler('thread:read', ({ caller, services }, request) =>
  services.threads.read(caller, request),
);

/** Handles `conversation:mark-unread`: moves the caller's read position back. */
export const onMarkUnread = defineHandler('conversation:mark-unread', ({ caller, services }, request) =>
  services.threads.markUnread(caller, request),
);
