import { defineHandler } from './define-handler.ts';

export const onTypingStart = defineHandler('typing:start', ({ caller, services }, request) =>
  services.typing.start(caller, request),
);

export const onTypingStop = defineHandler('typing:stop', ({ caller, services }, request) =>
  services.typing.stop(caller, request),
);

export const onPresenceUpdate = defineHandler('presence:update', ({ caller, services }, request) =>
  services.presence.update(caller, request),
);

export const onPresenceWatch = defineHandler('presence:watch', ({ caller, services }, request) =>
  services.presence.watch(caller, request),
);

export const onPresenceUnwatch = defineHandler('presence:unwatch', ({ caller, services }, request) =>
  services.presence.unwatch(caller, request),
);
