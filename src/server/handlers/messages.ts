import { defineHandler, type RequestContext } from './define-handler.ts';

export const onMessageSend = defineHandler('message:send', async (context, request) => {
  const { caller, services } = context;
  services.sendLimit?.take(caller.userId);
  const message = await services.sending.send(caller, request);
  stopTyping(context, request.conversationId);
  return message;
});

export const onMessageForward = defineHandler('message:forward', ({ caller, services }, request) => {
  services.sendLimit?.take(caller.userId);
  return services.sending.forward(caller, request);
});

export const onMessageEdit = defineHandler('message:edit', ({ caller, services }, request) =>
  services.messages.edit(caller, request),
);

export const onMessageDelete = defineHandler('message:delete', ({ caller, services }, request) =>
  services.messages.delete(caller, request),
);

export const onMessageReact = defineHandler('message:react', ({ caller, services }, request) =>
  services.messages.react(caller, request),
);

export const onMessageRead = defineHandler('message:read', ({ caller, services }, request) =>
  services.reading.read(caller, request),
);

export const onMessageDelivered = defineHandler('message:delivered', ({ caller, services }, request) =>
  services.reading.delivered(caller, request),
);

/** What somebody was writing is written. */
function stopTyping({ caller, services }: RequestContext, conversationId: string): void {
  services.typing.ended(caller.userId, conversationId, caller.socketId);
}
