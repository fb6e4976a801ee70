import { lookupWork } from '../services/limits/request-work.ts';
import { defineHandler } from './define-handler.ts';

/** Handles `typing:start`: starts or renews typing. */
export const onTypingStart = defineHandler('typing:start', ({ caller, services }, request) =>
  services.typing.start(caller, request),
);

/** Handles `typing:stop`: ends typing. */
export const onTypingStop = defineHandler('typing:stop', ({ caller, services }, request) =>
  services.typing.stop(caller, request),
);

/** Handles `presence:update`: sets the status of the caller or the device. */
export const onPresenceUpdate = defineHandler('presence:update', ({ caller, services }, request) =>
  services.presence.update(caller, request),
);

/** Handles `presence:watch`: returns presence and subscribes to its changes. */
export const onPresenceWatch = defineHandler(
  'presence:watch',
  ({ caller, services }, request) => services.presence.watch(caller, request),
  { work: ({ userIds }) => lookupWork(userIds) },
);

/** Handles `presence:unwatch`: ends the subscription. */
export const onPresenceUnwatch = defineHandler('presence:unwatch', ({ caller, services }, request) =>
  services.presence.unwatch(caller, request),
);
