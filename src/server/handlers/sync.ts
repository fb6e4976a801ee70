import { defineHandler } from './define-handler.ts';

/** Each cursor is looked up: four of them cost about what a small request costs. */
const CURSORS_PER_TOKEN = 4;

export const onSync = defineHandler('sync', ({ caller, services }, request) => services.sync.sync(caller, request), {
  cost: ({ cursors }) => Object.keys(cursors).length / CURSORS_PER_TOKEN,
});

export const onPing = defineHandler('comm:ping', ({ services }) => ({ serverTime: services.now() }));
