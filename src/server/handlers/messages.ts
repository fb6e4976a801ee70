import type { SendMessage } from '../../protocol/messages.ts';
import { attachmentWork, payloadBytes, threadWork } from '../services/limits/request-work.ts';
import { defineHandler, type RequestContext } from './define-handler.ts';

/** Handles `message:send`: stores and broadcasts a message and ends the sender's typing. */
export const onMessageSend = defineHandler('message:send', async (context, request) => {
  const { caller, services } = context;
  chargeSend(context, request);
  const message = await services.sending.send(caller, request);
  stopTyping(context, request.conversationId);
  return message;
});

/** Handles `message:forward`: sends a copy to another conversation. */
export const onMessageForward = defineHandler('message:forward', ({ caller, services }, request) => {
  services.sendLimit?.take(caller.userId);
  services.budgets.chargeMessage(caller, 0);
  return services.sending.forward(caller, request);
});

/** Handles `message:edit`: replaces the content. */
export const onMessageEdit = defineHandler('message:edit', ({ caller, services, source }, request) => {
  const work = threadWork({ mentions: request.mentions });
  if (work > 0) source.charge(caller, work, 0);
  services.budgets.chargeMessage(caller, payloadBytes(request));
  return services.messages.edit(caller, request);
});

/** Handles `message:delete`: leaves a tombstone. */
export const onMessageDelete = defineHandler('message:delete', ({ caller, services }, request) =>
  services.messages.delete(caller, request),
);

/** Handles `message:react`: sets or removes a reaction. */
export const onMessageReact = defineHandler('message:react', ({ caller, services }, request) =>
  services.messages.react(caller, request),
);

/** Handles `message:pin`: pins a message or ends that. */
export const onMessagePin = defineHandler('message:pin', ({ caller, services }, request) =>
  services.messages.pin(caller, request),
);

/** Handles `message:report`: stores a report. */
export const onMessageReport = defineHandler('message:report', async ({ caller, services }, request) => {
  await services.reports.report(caller, request);
  return null;
});

/** Handles `message:read`: advances the caller's read marker. */
export const onMessageRead = defineHandler('message:read', ({ caller, services }, request) =>
  services.receipts.read(caller, request),
);

/** Handles `message:delivered`: advances the caller's delivery marker. */
export const onMessageDelivered = defineHandler('message:delivered', ({ caller, services }, request) =>
  services.receipts.delivered(caller, request),
);

/** Handles `message:delivered` in a `batch`, whose other requests are answered together with it. */
export const onBatchedDelivered = defineHandler('message:delivered', ({ caller, services }, request) =>
  services.receipts.delivered(caller, request, { isAwaited: true }),
);

/** Charges a message to send. @throws CommError `RATE_LIMITED` */
export function chargeSend({ caller, services, source }: RequestContext, request: SendMessage): void {
  const work = attachmentWork(request.attachments ?? []) + threadWork(request);
  if (work > 0) source.charge(caller, work, 0);
  services.sendLimit?.take(caller.userId);
  services.budgets.chargeMessage(caller, payloadBytes(request));
}

/** Ends the sender's typing state. */
export function stopTyping({ caller, services }: RequestContext, conversationId: string): void {
  services.typing.ended(caller.userId, conversationId, caller.socketId);
}
