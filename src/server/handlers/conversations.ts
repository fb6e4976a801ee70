import { addedWork, pageWork } from '../services/limits/request-work.ts';
import { defineHandler } from './define-handler.ts';

/** Handles `conversation:create`: creates a conversation or returns the pair's direct conversation. */
export const onConversationCreate = defineHandler(
  'conversation:create',
  async ({ caller, services }, request) => (await services.conversations.create(caller, request)).conversation,
  { work: ({ participantIds }) => addedWork(participantIds) },
);

/** Handles `conversation:join`: adds the socket to the room. */
export const onConversationJoin = defineHandler('conversation:join', ({ caller, services }, request) =>
  services.conversations.join(caller, request),
);

/** Handles `conversation:leave`: removes the socket from the room and ends the caller's typing. */
export const onConversationLeave = defineHandler('conversation:leave', async ({ caller, services }, request) => {
  await services.conversations.leave(caller, request);
  services.typing.ended(caller.userId, request.conversationId, caller.socketId);
  return null;
});

/** Handles `conversation:archive`: sets the caller's archived flag. */
export const onConversationArchive = defineHandler(
  'conversation:archive',
  ({ caller, services }, { conversationId, archived }) =>
    services.conversations.setFlag(caller, conversationId, 'archived', archived),
);

/** Handles `conversation:mute`: sets the caller's muted flag. */
export const onConversationMute = defineHandler(
  'conversation:mute',
  ({ caller, services }, { conversationId, muted }) =>
    services.conversations.setFlag(caller, conversationId, 'muted', muted),
);

/** Handles `conversation:pin`: sets the caller's pinned flag. */
export const onConversationPin = defineHandler('conversation:pin', ({ caller, services }, { conversationId, pinned }) =>
  services.conversations.setFlag(caller, conversationId, 'pinned', pinned),
);

/** Handles `conversation:update`: changes name and settings of a group. */
export const onConversationUpdate = defineHandler('conversation:update', ({ caller, services }, request) =>
  services.groups.update(caller, request),
);

/** Handles `conversation:browse`: returns a page of the public groups. */
export const onConversationBrowse = defineHandler(
  'conversation:browse',
  ({ caller, services }, request) => services.groups.browse(caller, request),
  { work: ({ limit }) => pageWork(limit) },
);

/** Handles `conversation:enter`: makes the caller a member of a public group. */
export const onConversationEnter = defineHandler('conversation:enter', ({ caller, services }, request) =>
  services.groups.enter(caller, request),
);

/** Handles `conversation:ban`: bans a user from a group, or lifts the ban. */
export const onConversationBan = defineHandler('conversation:ban', ({ caller, services }, request) =>
  services.groups.ban(caller, request),
);

/** Handles `conversation:add-participants`: adds users to a group. */
export const onAddParticipants = defineHandler(
  'conversation:add-participants',
  ({ caller, services }, request) => services.membership.add(caller, request),
  { work: ({ userIds }) => addedWork(userIds) },
);

/** Handles `conversation:remove-participant`: removes a user from a group, or leaves it. */
export const onRemoveParticipant = defineHandler('conversation:remove-participant', ({ caller, services }, request) =>
  services.membership.remove(caller, request),
);

/** Handles `conversation:set-role`: changes the role of a member. */
export const onSetRole = defineHandler('conversation:set-role', ({ caller, services }, request) =>
  services.membership.setRole(caller, request),
);
