import * as v from 'valibot';
import { BATCH_LIMITS } from './batches.ts';
import * as calls from './calls.ts';
import * as conversations from './conversations.ts';
import * as encryption from './encryption.ts';
import { CREDENTIAL_FAULTS, RATE_SCOPES, SERVER_ERROR_CODES, type ErrorBody } from './errors.ts';
import type {
  Batch,
  PushBatch,
  PushName,
  Pushes,
  RefusedRequest,
  Reply,
  RequestName,
  RequestOf,
  ResponseOf,
} from './events.ts';
import * as files from './files.ts';
import * as groups from './groups.ts';
import { emptySchema } from './common-schemas.ts';
import { helloSchema, pingSchema, pongSchema, resyncRequestSchema } from './handshake.ts';
import * as receipts from './receipts.ts';
import * as messages from './messages.ts';
import * as moderation from './moderation.ts';
import * as presence from './presence.ts';
import * as threads from './threads.ts';
import * as users from './users.ts';

/** Type of {@link REQUEST_SCHEMAS}. */
export type RequestSchemas = {
  readonly [K in RequestName]: {
    readonly req: v.GenericSchema<unknown, RequestOf<K>>;
    readonly res: v.GenericSchema<unknown, ResponseOf<K>>;
  };
};
/** Type of {@link PUSH_SCHEMAS}. */
export type PushSchemas = { readonly [K in PushName]: v.GenericSchema<unknown, Pushes[K]> };

/** Validates {@link ErrorBody}. */
export const errorBodySchema = v.object({
  code: v.picklist(SERVER_ERROR_CODES),
  message: v.string(),
  retryAfterMs: v.optional(v.number()),
  reason: v.optional(v.picklist(CREDENTIAL_FAULTS)),
  scope: v.optional(v.picklist(RATE_SCOPES)),
}) satisfies v.GenericSchema<unknown, ErrorBody>;

/** Validates {@link Batch}. The payloads are validated one by one. */
const batchSchema = v.object({
  requests: v.pipe(
    v.array(v.object({ name: v.pipe(v.string(), v.maxLength(64)), payload: v.unknown() })),
    v.minLength(1),
    v.maxLength(BATCH_LIMITS.batchEntries),
  ),
  brief: v.optional(v.boolean()),
}) satisfies v.GenericSchema<unknown, Batch>;
const replySchema = v.union([
  v.object({ ok: v.literal(true), data: v.unknown() }),
  v.object({ ok: v.literal(false), error: errorBodySchema }),
]) satisfies v.GenericSchema<unknown, Reply<unknown>>;
const pushBatchSchema = v.object({
  pushes: v.array(v.object({ event: v.string(), data: v.unknown() })),
}) satisfies v.GenericSchema<unknown, PushBatch>;

/** The schemas of all requests and their answers. */
export const REQUEST_SCHEMAS: RequestSchemas = {
  'message:send': { req: messages.sendMessageSchema, res: messages.messageSchema },
  'message:read': { req: messages.messageRefSchema, res: receipts.readMarkerSchema },
  'message:delivered': { req: receipts.deliveryMarkerSchema, res: emptySchema },
  'message:react': { req: messages.reactSchema, res: messages.messageSchema },
  'message:edit': { req: messages.editMessageSchema, res: messages.messageSchema },
  'message:delete': { req: messages.deleteMessageSchema, res: messages.messageSchema },
  'message:forward': { req: messages.forwardMessageSchema, res: messages.messageSchema },
  'thread:read': { req: threads.readThreadSchema, res: emptySchema },
  'message:pin': { req: moderation.pinMessageSchema, res: messages.messageSchema },
  'message:report': { req: moderation.reportMessageSchema, res: emptySchema },
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
  'conversation:mark-unread': { req: threads.markUnreadSchema, res: receipts.readMarkerSchema },
  'conversation:update': { req: groups.updateConversationSchema, res: conversations.conversationSchema },
  'conversation:browse': { req: groups.browseSchema, res: groups.browsePageSchema },
  'conversation:enter': { req: groups.enterSchema, res: conversations.conversationSchema },
  'conversation:ban': { req: groups.banSchema, res: emptySchema },
  'conversation:add-participants': { req: conversations.addParticipantsSchema, res: conversations.conversationSchema },
  'conversation:remove-participant': { req: conversations.removeParticipantSchema, res: emptySchema },
  'conversation:set-role': { req: conversations.setRoleSchema, res: conversations.conversationSchema },
  sync: { req: conversations.syncSchema, res: conversations.syncResultSchema },
  batch: { req: batchSchema, res: v.array(replySchema) },
  'comm:ping': { req: pingSchema, res: pongSchema },
  'call:initiate': { req: calls.initiateCallSchema, res: calls.callSchema },
  'call:respond': { req: calls.respondToCallSchema, res: calls.callSchema },
  'call:join': { req: calls.joinCallSchema, res: calls.callSchema },
  'call:hangup': { req: calls.hangUpSchema, res: emptySchema },
  'call:sync': { req: calls.syncCallSchema, res: calls.callSchema },
  'call:connected': { req: calls.callRefSchema, res: emptySchema },
  'call:media-toggle': { req: calls.toggleMediaSchema, res: emptySchema },
  'call:add-participant': { req: calls.callMemberSchema, res: calls.callSchema },
  'call:remove-participant': { req: calls.callMemberSchema, res: calls.callSchema },
  'call:quality-report': { req: calls.qualityReportSchema, res: emptySchema },
  'call:ice-servers': { req: pingSchema, res: calls.iceServersSchema },
  'signal:offer': { req: calls.offerSchema, res: emptySchema },
  'signal:answer': { req: calls.answerSchema, res: emptySchema },
  'signal:ice-candidate': { req: calls.iceCandidateSchema, res: emptySchema },
  'signal:ice-restart': { req: calls.iceRestartSchema, res: emptySchema },
  'encryption:upload-keys': { req: encryption.uploadKeysSchema, res: encryption.keysUploadedSchema },
  'encryption:request-keys': { req: encryption.requestKeysSchema, res: encryption.keyExchangeResponseSchema },
  'encryption:session-init': { req: encryption.sessionInitSchema, res: emptySchema },
  'encryption:mailbox-ack': { req: encryption.mailboxAckSchema, res: emptySchema },
  'file:request-upload': { req: files.requestUploadSchema, res: files.uploadReadySchema },
  'file:sign': { req: files.signFilesSchema, res: files.signedFilesSchema },
  'user:get': { req: users.getUsersSchema, res: users.userListSchema },
  'user:search': { req: users.searchUsersSchema, res: users.userListSchema },
  'user:update': { req: users.updateUserSchema, res: users.userSchema },
  'user:block': { req: users.blockUserSchema, res: emptySchema },
  'user:blocked': { req: pingSchema, res: users.blockedUsersSchema },
};

const refusedSchema = v.object({
  ...errorBodySchema.entries,
  event: v.optional(v.string()),
  clientId: v.optional(v.string()),
}) satisfies v.GenericSchema<unknown, RefusedRequest>;

/** The schemas of all pushes. */
export const PUSH_SCHEMAS: PushSchemas = {
  batch: pushBatchSchema,
  'comm:hello': helloSchema,
  'comm:resync': resyncRequestSchema,
  'message:new': messages.messageSchema,
  'message:updated': messages.messageUpdatedSchema,
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
  'read-receipt:collected': receipts.collectedReceiptsSchema,
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
  'user:updated': users.userSchema,
  'user:block-changed': users.blockUserSchema,
};
