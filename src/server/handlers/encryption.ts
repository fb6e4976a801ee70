import { defineHandler } from './define-handler.ts';

/** Handles `encryption:upload-keys`: publishes the caller's key bundle. */
export const onUploadKeys = defineHandler(
  'encryption:upload-keys',
  ({ caller, services }, request) => services.keys.upload(caller, request),
  { toPush: (data) => ({ event: 'encryption:keys-uploaded', data }) },
);

/** Handles `encryption:request-keys`: returns another user's keys with a one-time prekey. */
export const onRequestKeys = defineHandler(
  'encryption:request-keys',
  ({ caller, services }, request) => services.keys.request(caller, request),
  {
    toPush: (data) => ({ event: 'encryption:keys-response', data }),
    toErrorPush: ({ code }, request) =>
      code === 'NOT_FOUND' && request !== undefined
        ? { event: 'encryption:keys-response', data: { error: 'no_keys', recipientId: request.recipientId } }
        : undefined,
  },
);

/** Handles `encryption:session-init`: stores an envelope for a user and delivers it. */
export const onSessionInit = defineHandler('encryption:session-init', ({ caller, services }, request) =>
  services.mailbox.send(caller, request),
);

/** Handles `encryption:mailbox-ack`: removes received envelopes from the caller's mailbox. */
export const onMailboxAck = defineHandler('encryption:mailbox-ack', ({ caller, services }, request) =>
  services.mailbox.acknowledge(caller, request),
);
