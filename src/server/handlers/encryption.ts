import { defineHandler } from './define-handler.ts';

export const onUploadKeys = defineHandler(
  'encryption:upload-keys',
  ({ caller, services }, request) => services.keys.upload(caller, request),
  { answered: (data) => ({ event: 'encryption:keys-uploaded', data }) },
);

export const onRequestKeys = defineHandler(
  'encryption:request-keys',
  ({ caller, services }, request) => services.keys.request(caller, request),
  {
    answered: (data) => ({ event: 'encryption:keys-response', data }),
    refused: ({ code }, request) =>
      code === 'NOT_FOUND' && request !== undefined
        ? { event: 'encryption:keys-response', data: { error: 'no_keys', recipientId: request.recipientId } }
        : undefined,
  },
);

export const onSessionInit = defineHandler('encryption:session-init', ({ caller, services }, request) =>
  services.mailbox.send(caller, request),
);

export const onMailboxAck = defineHandler('encryption:mailbox-ack', ({ caller, services }, request) =>
  services.mailbox.acknowledge(caller, request),
);
