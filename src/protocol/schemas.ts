import * as v from 'valibot';
import * as calls from './calls.ts';
import * as conversations from './conversations.ts';
import * as encryption from './encryption.ts';
import { SERVER_ERROR_CODES, type ErrorBody } from './errors.ts';
import type { PushName, Pushes, RefusedRequest, RequestName, RequestOf, ResponseOf } from './events.ts';
import * as files from './files.ts';
import { emptySchema } from './fields.ts';
import { helloSchema, pingSchema, pongSchema } from './hello.ts';
import * as marks from './marks.ts';
import * as messages from './messages.ts';
import * as presence from './presence.ts';

export type RequestSchemas = {
  readonly [K in RequestName]: {
    readonly req: v.GenericSchema<unknown, RequestOf<K>>;
    readonly res: v.GenericSchema<unknown, ResponseOf<K>>;
  };
};
export type PushSchemas = { readonly [K in PushName]: v.GenericSchema<unknown, Pushes[K]> };

/** The schema of every request and of its answer. */
export const REQUEST_SCHEMAS: RequestSchemas = {
  'message:send': { req: messages.sendMessageSchema, res: messages.messageSchema },
  'message:read': { req: messages.messageRefSchema, res: marks.readMarkSchema },
  'message:delivered': { req: marks.deliveredSchema, res: emptySchema },
  'message:react': { req: messages.reactSchema, res: messages.messageSchema },
  'message:edit': { req: messages.editMessageSchema, res: messages.messageSchema },
  'message:delete': { req: messages.deleteMessageSchema, res: messages.messageSchema },
  'message:forward': { req: messages.forwardMessageSchema, res: messages.messageSchema },
  'typing:start': { req: presence.conversationRefSchema, res: emptySchema },
  'typing:stop': { req: presence.conversationRefSchema, res: emptySchema },
  'presence:update': { req: presence.setPresenceSchema, res: presence.presenceUpdateSchema },
  'presence:watch': { req: presence.watchPresenceSchema, res: v.array(presence.presenceUpdateSchema) },
  'presence:unwatch': { req: presence.watchPresenceSchema, res: emptySchema },
  'conversation:create': { req: conversations.createConversationSchema, res: conversations.conversationSchema },
  'conversation:join': { req: presence.conversationRefSchema, res: conversations.joinedSchema },
  'conversation:leave': { req: presence.conversationRefSchema, res: emptySchema },
  'conversation:archive': { req: conversations.archiveSchema, res: emptySchema },
  'conversation:mute': { req: conversations.muteSchema, res: emptySchema },
  'conversation:pin': { req: conversations.pinSchema, res: emptySchema },
  'conversation:update': { req: conversations.renameSchema, res: conversations.conversationSchema },
  'conversation:add-participants': { req: conversations.addParticipantsSchema, res: conversations.conversationSchema },
  'conversation:remove-participant': { req: conversations.removeParticipantSchema, res: emptySchema },
  'conversation:set-role': { req: conversations.setRoleSchema, res: conversations.conversationSchema },
  sync: { req: conversations.syncSchema, res: conversations.syncResultSchema },
  'comm:ping': { req: pingSchema, res: pongSchema },
  'call:initiate': { req: calls.initiateCallSchema, res: calls.callSchema },
  'call:respond': { req: calls.respondToCallSchema, res: calls.callSchema },
  'call:hangup': { req: calls.hangUpSchema, res: emptySchema },
  'call:sync': { req: calls.syncCallSchema, res: calls.callSchema },
  'call:connected': { req: calls.callRefSchema, res: emptySchema },
  'call:media-toggle': { req: calls.toggleMediaSchema, res: emptySchema },
  'call:add-participant': { req: calls.callMemberSchema, res: calls.callSchema },
  'call:remove-participant': { req: calls.callMemberSchema, res: calls.callSchema },
  'call:quality-report': { req: calls.qualityReportSchema, res: emptySchema },
  'signal:offer': { req: calls.offerSchema, res: emptySchema },
  'signal:answer': { req: calls.answerSchema, res: emptySchema },
  'signal:ice-candidate': { req: calls.iceCandidateSchema, res: emptySchema },
  'signal:ice-restart': { req: calls.iceRestartSchema, res: emptySchema },
  'encryption:upload-keys': { req: encryption.uploadKeysSchema, res: encryption.keysUploadedSchema },
  'encryption:request-keys': { req: encryption.requestKeysSchema, res: encryption.keyExchangeResponseSchema },
  'encryption:session-init': { req: encryption.sessionInitSchema, res: emptySchema },
  'encryption:mailbox-ack': { req: encryption.mailboxAckSchema, res: emptySchema },
  'file:request-upload': { req: files.requestUploadSchema, res: files.uploadReadySchema },
};

export const errorBodySchema = v.object({
  code: v.picklist(SERVER_ERROR_CODES),
  message: v.string(),
  retryAfterMs: v.optional(v.number()),
}) satisfies v.GenericSchema<unknown, ErrorBody>;

const refusedSchema = v.object({
  ...errorBodySchema.entries,
  event: v.optional(v.string()),
  clientId: v.optional(v.string()),
}) satisfies v.GenericSchema<unknown, RefusedRequest>;

/** The schema of every push. */
export const PUSH_SCHEMAS: PushSchemas = {
  'comm:hello': helloSchema,
  'message:new': messages.messageSchema,
  'message:updated': messages.messageSchema,
  'message:deleted': messages.messageDeletedSchema,
  'message:status': messages.messageStatusSchema,
  'message:reaction-update': messages.reactionUpdateSchema,
  'message:forwarded': messages.messageSchema,
  'message:error': refusedSchema,
  error: refusedSchema,
  'typing:update': presence.typingUpdateSchema,
  'presence:changed': presence.presenceUpdateSchema,
  'conversation:new': conversations.conversationSchema,
  'conversation:updated': conversations.conversationUpdateSchema,
  'conversation:left': conversations.conversationLeftSchema,
  'read-receipt:update': messages.readReceiptUpdateSchema,
  'call:incoming': calls.callSchema,
  'call:state-changed': calls.callStateChangeSchema,
  'call:participant-joined': calls.callParticipantJoinedSchema,
  'call:participant-left': calls.callMemberSchema,
  'call:media-changed': calls.mediaChangedSchema,
  'call:quality-changed': calls.qualityReportSchema,
  'signal:offer': calls.offerSchema,
  'signal:answer': calls.answerSchema,
  'signal:ice-candidate': calls.iceCandidateSchema,
  'signal:ice-restart': calls.iceRestartSchema,
  'encryption:keys-uploaded': encryption.keysUploadedSchema,
  'encryption:keys-response': v.union([encryption.keyExchangeResponseSchema, encryption.noKeysSchema]),
  'encryption:session-init': encryption.sessionInitPushSchema,
  'encryption:session-established': encryption.sessionEstablishedSchema,
  'encryption:keys-depleted': encryption.keysDepletedSchema,
  'encryption:keys-changed': encryption.keysChangedSchema,
  'file:upload-ready': files.uploadReadySchema,
  'file:upload-error': files.uploadErrorSchema,
};
