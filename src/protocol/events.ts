import * as v from 'valibot';
import * as calls from './calls.ts';
import * as conversations from './conversations.ts';
import * as encryption from './encryption.ts';
import { SERVER_ERROR_CODES, type ErrorBody, type ServerErrorCode } from './errors.ts';
import * as files from './files.ts';
import { emptySchema } from './fields.ts';
import { helloSchema, pingSchema, pongSchema, type Hello, type Ping, type Pong } from './hello.ts';
import * as messages from './messages.ts';
import * as presence from './presence.ts';

/** Client to server: event `nk:<name>`, one object argument. */
export const REQUEST_PREFIX = 'nk:';
/** Server to client: always this event, with one object `{ event, data }`. */
export const PUSH_EVENT = 'nk:data';

/** Every request name once: what it carries and what it is answered with. */
export interface Requests {
  'message:send': { req: messages.SendMessage; res: messages.Message };
  'message:read': { req: messages.MessageRef; res: messages.ReadMark };
  'message:delivered': { req: messages.Delivered; res: null };
  'message:react': { req: messages.ReactToMessage; res: messages.Message };
  'message:edit': { req: messages.EditMessage; res: messages.Message };
  'message:delete': { req: messages.MessageRef; res: messages.Message };
  'message:forward': { req: messages.ForwardMessage; res: messages.Message };
  'typing:start': { req: presence.ConversationRef; res: null };
  'typing:stop': { req: presence.ConversationRef; res: null };
  'presence:update': { req: presence.SetPresence; res: presence.PresenceUpdate };
  'presence:watch': { req: presence.WatchPresence; res: presence.PresenceUpdate[] };
  'presence:unwatch': { req: presence.WatchPresence; res: null };
  'conversation:create': { req: conversations.CreateConversation; res: conversations.Conversation };
  'conversation:join': { req: presence.ConversationRef; res: conversations.Joined };
  'conversation:leave': { req: presence.ConversationRef; res: null };
  'conversation:archive': { req: conversations.ArchiveConversation; res: null };
  'conversation:mute': { req: conversations.MuteConversation; res: null };
  'conversation:pin': { req: conversations.PinConversation; res: null };
  'conversation:update': { req: conversations.RenameConversation; res: conversations.Conversation };
  'conversation:add-participants': { req: conversations.AddParticipants; res: conversations.Conversation };
  'conversation:remove-participant': { req: conversations.RemoveParticipant; res: null };
  'conversation:set-role': { req: conversations.SetRole; res: conversations.Conversation };
  sync: { req: conversations.Sync; res: conversations.SyncResult };
  /** Shows that the line is alive: what a client asks after a sleep before it trusts the connection. */
  'comm:ping': { req: Ping; res: Pong };
  'call:initiate': { req: calls.InitiateCall; res: calls.Call };
  'call:respond': { req: calls.RespondToCall; res: calls.Call };
  'call:hangup': { req: calls.HangUp; res: null };
  'call:media-toggle': { req: calls.ToggleMedia; res: null };
  'call:add-participant': { req: calls.CallMember; res: calls.Call };
  'call:remove-participant': { req: calls.CallMember; res: calls.Call };
  'call:quality-report': { req: calls.ConnectionQualityReport; res: null };
  'signal:offer': { req: calls.SessionDescription; res: null };
  'signal:answer': { req: calls.SessionDescription; res: null };
  'signal:ice-candidate': { req: calls.IceCandidate; res: null };
  'signal:ice-restart': { req: calls.IceRestart; res: null };
  'encryption:upload-keys': { req: encryption.KeyBundle; res: encryption.KeysUploaded };
  'encryption:request-keys': { req: encryption.RequestKeys; res: encryption.KeyExchangeResponse };
  'encryption:session-init': { req: encryption.SessionInit; res: null };
  'file:request-upload': { req: files.RequestUpload; res: files.UploadReady };
}
export type RequestName = keyof Requests;
export type RequestOf<K extends RequestName> = Requests[K]['req'];
export type ResponseOf<K extends RequestName> = Requests[K]['res'];

/** What an acknowledgement carries. */
export type Reply<T> = { ok: true; data: T } | { ok: false; error: ErrorBody };

/** A refusal without an acknowledgement to put it in: `event` and `clientId` say what was refused. */
export interface RefusedRequest extends ErrorBody {
  event?: string | undefined;
  clientId?: string | undefined;
}

/** Every push name once, with what it carries. */
export interface Pushes {
  'comm:hello': Hello;
  'message:new': messages.Message;
  'message:updated': messages.Message;
  'message:deleted': messages.MessageDeleted;
  'message:status': messages.MessageStatusUpdate;
  'message:reaction-update': messages.ReactionUpdate;
  'message:forwarded': messages.Message;
  'message:error': RefusedRequest;
  error: RefusedRequest;
  'typing:update': presence.TypingUpdate;
  'presence:changed': presence.PresenceUpdate;
  'conversation:new': conversations.Conversation;
  'conversation:updated': conversations.ConversationUpdate;
  'conversation:left': conversations.ConversationLeft;
  'read-receipt:update': messages.ReadReceiptUpdate;
  'call:incoming': calls.Call;
  'call:state-changed': calls.CallStateChange;
  'call:participant-joined': calls.CallParticipantJoined;
  'call:participant-left': calls.CallMember;
  'call:media-changed': calls.MediaChanged;
  'call:quality-changed': calls.ConnectionQualityReport;
  'signal:offer': calls.SessionDescription;
  'signal:answer': calls.SessionDescription;
  'signal:ice-candidate': calls.IceCandidate;
  'signal:ice-restart': calls.IceRestart;
  'encryption:keys-uploaded': encryption.KeysUploaded;
  'encryption:keys-response': encryption.KeyExchangeResponse | encryption.NoKeys;
  'encryption:session-init': encryption.SessionInitPush;
  'encryption:session-established': { sessionId: string; senderId: string };
  'encryption:keys-depleted': { userId: string };
  'file:upload-ready': files.UploadReady;
  'file:upload-error': files.UploadError;
}
export type PushName = keyof Pushes;
export type Push = { [K in PushName]: { event: K; data: Pushes[K] } }[PushName];

type RequestSchemas = {
  readonly [K in RequestName]: {
    readonly req: v.GenericSchema<unknown, RequestOf<K>>;
    readonly res: v.GenericSchema<unknown, ResponseOf<K>>;
  };
};
type PushSchemas = { readonly [K in PushName]: v.GenericSchema<unknown, Pushes[K]> };

/** The schema of every request and of its answer. */
export const REQUEST_SCHEMAS: RequestSchemas = {
  'message:send': { req: messages.sendMessageSchema, res: messages.messageSchema },
  'message:read': { req: messages.messageRefSchema, res: messages.readMarkSchema },
  'message:delivered': { req: messages.deliveredSchema, res: emptySchema },
  'message:react': { req: messages.reactSchema, res: messages.messageSchema },
  'message:edit': { req: messages.editMessageSchema, res: messages.messageSchema },
  'message:delete': { req: messages.messageRefSchema, res: messages.messageSchema },
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
  'call:media-toggle': { req: calls.toggleMediaSchema, res: emptySchema },
  'call:add-participant': { req: calls.callMemberSchema, res: calls.callSchema },
  'call:remove-participant': { req: calls.callMemberSchema, res: calls.callSchema },
  'call:quality-report': { req: calls.qualityReportSchema, res: emptySchema },
  'signal:offer': { req: calls.offerSchema, res: emptySchema },
  'signal:answer': { req: calls.answerSchema, res: emptySchema },
  'signal:ice-candidate': { req: calls.iceCandidateSchema, res: emptySchema },
  'signal:ice-restart': { req: calls.iceRestartSchema, res: emptySchema },
  'encryption:upload-keys': { req: encryption.keyBundleSchema, res: encryption.keysUploadedSchema },
  'encryption:request-keys': { req: encryption.requestKeysSchema, res: encryption.keyExchangeResponseSchema },
  'encryption:session-init': { req: encryption.sessionInitSchema, res: emptySchema },
  'file:request-upload': { req: files.requestUploadSchema, res: files.uploadReadySchema },
};

const refusedSchema = v.object({
  code: v.picklist(SERVER_ERROR_CODES satisfies readonly ServerErrorCode[]),
  message: v.string(),
  retryAfterMs: v.optional(v.number()),
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
  'file:upload-ready': files.uploadReadySchema,
  'file:upload-error': files.uploadErrorSchema,
};
