import { cursorWork } from '../services/limits/request-work.ts';
import { defineHandler } from './define-handler.ts';

/** Handles `sync`: returns what changed since the caller's cursors. */
export const onSync = defineHandler('sync', ({ caller, services }, request) => services.sync.sync(caller, request), {
  work: ({ cursors }) => cursorWork(cursors),
  hasLargeAnswer: true,
});

/** Handles `comm:ping`: returns the server's time. */
export const onPing = defineHandler('comm:ping', ({ services }) => ({ serverTime: services.now() }));
