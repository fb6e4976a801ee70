import { defineHandler } from './define-handler.ts';

/** Handles `call:initiate`: starts a call. */
export const onCallInitiate = defineHandler('call:initiate', async ({ caller, services: { calls } }, request) =>
  calls.saved(await calls.initiate(caller, request)),
);

/** Handles `call:respond`: accepts or declines a call. */
export const onCallRespond = defineHandler('call:respond', async ({ caller, services: { calls } }, request) =>
  calls.saved(await calls.respond(caller, request)),
);

/** Handles `call:join`: joins the running call of a conversation. */
export const onCallJoin = defineHandler('call:join', async ({ caller, services: { calls } }, request) =>
  calls.saved(await calls.join(caller, request)),
);

/** Handles `call:hangup`: leaves or declines a call. */
export const onCallHangup = defineHandler('call:hangup', ({ caller, services }, request) =>
  services.calls.hangUp(caller, request),
);

/** Handles `call:sync`: returns the current state and resumes the caller's seat. */
export const onCallSync = defineHandler('call:sync', ({ caller, services }, request) =>
  services.calls.sync(caller, request),
);

/** Handles `call:connected`: media is flowing. */
export const onCallConnected = defineHandler('call:connected', ({ caller, services }, request) =>
  services.calls.connected(caller, request),
);

/** Handles `call:media-toggle`: mutes or unmutes media, or puts the call on hold. */
export const onCallMediaToggle = defineHandler(
  'call:media-toggle',
  async ({ caller, services: { calls } }, request) => {
    await calls.toggleMedia(caller, request);
    // A hold decides whether the user can take another call, so it must survive the process.
    if (request.onHold !== undefined) await calls.saved({ id: request.callId });
    return null;
  },
);

/** Handles `call:add-participant`: invites another user. */
export const onCallAddParticipant = defineHandler('call:add-participant', ({ caller, services }, request) =>
  services.calls.addParticipant(caller, request),
);

/** Handles `call:remove-participant`: removes a user. */
export const onCallRemoveParticipant = defineHandler('call:remove-participant', ({ caller, services }, request) =>
  services.calls.removeParticipant(caller, request),
);

/** Handles `call:quality-report`: passes a report to the other participants. */
export const onCallQualityReport = defineHandler('call:quality-report', ({ caller, services }, request) =>
  services.calls.reportQuality(caller, request),
);

/** Handles `call:ice-servers`: returns the STUN and TURN servers of this server. */
export const onCallIceServers = defineHandler('call:ice-servers', ({ caller, services }) =>
  services.iceServers.iceServers(caller),
);

/** Handles `signal:offer`: relays an SDP offer. */
export const onSignalOffer = defineHandler('signal:offer', ({ caller, services }, request) =>
  services.signals.offer(caller, request),
);

/** Handles `signal:answer`: relays an SDP answer. */
export const onSignalAnswer = defineHandler('signal:answer', ({ caller, services }, request) =>
  services.signals.answer(caller, request),
);

/** Handles `signal:ice-candidate`: relays an ICE candidate. */
export const onSignalIceCandidate = defineHandler('signal:ice-candidate', ({ caller, services }, request) =>
  services.signals.candidate(caller, request),
);

/** Handles `signal:ice-restart`: relays a request for an ICE restart. */
export const onSignalIceRestart = defineHandler('signal:ice-restart', ({ caller, services }, request) =>
  services.signals.restart(caller, request),
);
