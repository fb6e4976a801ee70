import { defineHandler } from './define-handler.ts';

export const onConversationCreate = defineHandler('conversation:create', async ({ caller, services }, request) => {
  const { conversation } = await services.conversations.create(caller, request);
  return conversation;
});

export const onConversationJoin = defineHandler('conversation:join', ({ caller, services }, request) =>
  services.conversations.join(caller, request),
);

export const onConversationLeave = defineHandler('conversation:leave', async ({ caller, services }, request) => {
  await services.conversations.leave(caller, request);
  services.typing.ended(caller.userId, request.conversationId, caller.socketId);
  return null;
});

export const onConversationArchive = defineHandler(
  'conversation:archive',
  ({ caller, services }, { conversationId, archived }) =>
    services.conversations.setFlag(caller, conversationId, 'archived', archived),
);

export const onConversationMute = defineHandler(
  'conversation:mute',
  ({ caller, services }, { conversationId, muted }) =>
    services.conversations.setFlag(caller, conversationId, 'muted', muted),
);

export const onConversationPin = defineHandler('conversation:pin', ({ caller, services }, { conversationId, pinned }) =>
  services.conversations.setFlag(caller, conversationId, 'pinned', pinned),
);

export const onConversationUpdate = defineHandler('conversation:update', ({ caller, services }, request) =>
  services.conversations.rename(caller, request),
);

export const onAddParticipants = defineHandler('conversation:add-participants', ({ caller, services }, request) =>
  services.membership.add(caller, request),
);

export const onRemoveParticipant = defineHandler('conversation:remove-participant', ({ caller, services }, request) =>
  services.membership.remove(caller, request),
);

export const onSetRole = defineHandler('conversation:set-role', ({ caller, services }, request) =>
  services.membership.setRole(caller, request),
);
