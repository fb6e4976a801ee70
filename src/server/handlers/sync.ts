import { defineHandler } from './define-handler.ts';

export const onSync = defineHandler('sync', ({ caller, services }, request) => services.sync.sync(caller, request));

export const onPing = defineHandler('comm:ping', ({ services }) => ({ serverTime: services.now() }));
