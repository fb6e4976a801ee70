import type * as calls from './calls.ts';
import type * as conversations from './conversations.ts';
import type * as encryption from './encryption.ts';
import type { ErrorBody } from './errors.ts';
import type * as files from './files.ts';
import type { Hello, Ping, Pong } from './hello.ts';
import type * as marks from './marks.ts';
import type * as messages from './messages.ts';
import type * as presence from './presence.ts';

/** Client to server: event `nk:<name>`, one object argument. */
export const REQUEST_PREFIX = 'nk:';
/** Server to client: always this event, with one object `{ event, data }`. */
export const PUSH_EVENT = 'nk:data';

/** Every request name once: what it carries and what it is answered with. */
export interface Requests {
  'message:send': { req: messages.SendMessage; res: messages.Message };
  'message:read': { req: messages.MessageRef; res: marks.ReadMark };
  'message:delivered': { req: marks.Delivered; res: null };
  'message:react': { req: messages.ReactToMessage & messages.ChangeOnce; res: messages.Message };
  'message:edit': { req: messages.EditMessage & messages.ChangeOnce; res: messages.Message };
  'message:delete': { req: messages.MessageRef & messages.ChangeOnce; res: messages.Message };
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
  'call:sync': { req: calls.SyncCall; res: calls.Call };
  /** This device hears or sees one of the others. */
  'call:connected': { req: calls.CallRef; res: null };
  'call:media-toggle': { req: calls.ToggleMedia; res: null };
  'call:add-participant': { req: calls.CallMember; res: calls.Call };
  'call:remove-participant': { req: calls.CallMember; res: calls.Call };
  'call:quality-report': { req: calls.ConnectionQualityReport; res: null };
  'signal:offer': { req: calls.SessionDescription; res: null };
  'signal:answer': { req: calls.SessionDescription; res: null };
  'signal:ice-candidate': { req: calls.IceCandidate; res: null };
  'signal:ice-restart': { req: calls.IceRestart; res: null };
  'encryption:upload-keys': { req: encryption.UploadKeys; res: encryption.KeysUploaded };
  'encryption:request-keys': { req: encryption.RequestKeys; res: encryption.KeyExchangeResponse };
  'encryption:session-init': { req: encryption.SessionInit; res: null };
  'encryption:mailbox-ack': { req: encryption.MailboxAck; res: null };
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
  'encryption:keys-changed': encryption.KeysChanged;
  'file:upload-ready': files.UploadReady;
  'file:upload-error': files.UploadError;
}
export type PushName = keyof Pushes;
export type Push = { [K in PushName]: { event: K; data: Pushes[K] } }[PushName];
