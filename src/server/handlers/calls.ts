import { defineHandler } from './define-handler.ts';

export const onCallInitiate = defineHandler('call:initiate', ({ caller, services }, request) =>
  services.calls.initiate(caller, request),
);

export const onCallRespond = defineHandler('call:respond', ({ caller, services }, request) =>
  services.calls.respond(caller, request),
);

export const onCallHangup = defineHandler('call:hangup', ({ caller, services }, request) =>
  services.calls.hangUp(caller, request),
);

export const onCallSync = defineHandler('call:sync', ({ caller, services }, request) =>
  services.calls.sync(caller, request),
);

export const onCallConnected = defineHandler('call:connected', ({ caller, services }, request) =>
  services.calls.connected(caller, request),
);

export const onCallMediaToggle = defineHandler('call:media-toggle', ({ caller, services }, request) =>
  services.calls.toggleMedia(caller, request),
);

export const onCallAddParticipant = defineHandler('call:add-participant', ({ caller, services }, request) =>
  services.calls.addParticipant(caller, request),
);

export const onCallRemoveParticipant = defineHandler('call:remove-participant', ({ caller, services }, request) =>
  services.calls.removeParticipant(caller, request),
);

export const onCallQualityReport = defineHandler('call:quality-report', ({ caller, services }, request) =>
  services.calls.reportQuality(caller, request),
);

export const onSignalOffer = defineHandler('signal:offer', ({ caller, services }, request) =>
  services.signals.offer(caller, request),
);

export const onSignalAnswer = defineHandler('signal:answer', ({ caller, services }, request) =>
  services.signals.answer(caller, request),
);

export const onSignalIceCandidate = defineHandler('signal:ice-candidate', ({ caller, services }, request) =>
  services.signals.candidate(caller, request),
);

export const onSignalIceRestart = defineHandler('signal:ice-restart', ({ caller, services }, request) =>
  services.signals.restart(caller, request),
);
