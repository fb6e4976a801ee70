import { lookupWork } from '../services/limits/request-work.ts';
import { defineHandler } from './define-handler.ts';

/** Handles `user:get`: returns profiles. */
export const onUserGet = defineHandler(
  'user:get',
  ({ caller, services }, request) => services.profiles.get(caller, request),
  { work: ({ userIds }) => lookupWork(userIds), hasLargeAnswer: true },
);

/** Handles `user:search`: finds users by name or id. */
export const onUserSearch = defineHandler(
  'user:search',
  ({ caller, services }, request) => services.profiles.search(caller, request),
  { hasLargeAnswer: true },
);

/** Handles `user:update`: changes the caller's profile. */
export const onUserUpdate = defineHandler('user:update', ({ caller, services }, request) =>
  services.profiles.update(caller, request),
);

/** Handles `user:block`: blocks or unblocks a user. */
export const onUserBlock = defineHandler('user:block', ({ caller, services }, request) =>
  services.blocks.set(caller, request),
);

/** Handles `user:blocked`: returns the users whom the caller has blocked. */
export const onUserBlocked = defineHandler('user:blocked', ({ caller, services }) => services.blocks.list(caller), {
  hasLargeAnswer: true,
});
