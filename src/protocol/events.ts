import type * as calls from './calls.ts';
import type * as conversations from './conversations.ts';
import type * as encryption from './encryption.ts';
import type { ErrorBody } from './errors.ts';
import type * as files from './files.ts';
import type * as groups from './groups.ts';
import type { Hello, Ping, Pong, ResyncRequest } from './handshake.ts';
import type * as receipts from './receipts.ts';
import type * as messages from './messages.ts';
import type * as moderation from './moderation.ts';
import type * as presence from './presence.ts';
import type * as threads from './threads.ts';
import type * as users from './users.ts';

/** Prefix of client-to-server events: `nk:<name>` with one object argument. */
export const REQUEST_PREFIX = 'nk:';
/** The only server-to-client event. Its argument is one object `{ event, data }`. */
export const PUSH_EVENT = 'nk:data';

/** All requests by name, with payload (`req`) and answer (`res`). */
export interface Requests {
  'message:send': { req: messages.SendMessage; res: messages.Message };
  'message:read': { req: messages.MessageRef; res: receipts.ReadMarker };
  'message:delivered': { req: receipts.DeliveryMarker; res: null };
  'message:react': { req: messages.ReactToMessage & messages.ChangeOnce; res: messages.Message };
  'message:edit': { req: messages.EditMessage & messages.ChangeOnce; res: messages.Message };
  'message:delete': { req: messages.DeleteMessage & messages.ChangeOnce; res: messages.Message };
  'message:forward': { req: messages.ForwardMessage; res: messages.Message };
  'thread:read': { req: threads.ReadThread; res: null };
  'message:pin': { req: moderation.PinMessage & messages.ChangeOnce; res: messages.Message };
  'message:report': { req: moderation.ReportMessage; res: null };
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
  'conversation:mark-unread': { req: threads.MarkUnread; res: receipts.ReadMarker };
  'conversation:update': { req: groups.UpdateConversation; res: conversations.Conversation };
  /** Lists public groups, newest first. */
  'conversation:browse': { req: groups.BrowseConversations; res: groups.BrowsePage };
  /** Makes the caller a member of a public group. */
  'conversation:enter': { req: groups.EnterConversation; res: conversations.Conversation };
  /** Bans a user from a group, or lifts the ban. */
  'conversation:ban': { req: groups.BanUser; res: null };
  'conversation:add-participants': { req: conversations.AddParticipants; res: conversations.Conversation };
  'conversation:remove-participant': { req: conversations.RemoveParticipant; res: null };
  'conversation:set-role': { req: conversations.SetRole; res: conversations.Conversation };
  sync: { req: conversations.Sync; res: conversations.SyncResult };
  /** Several requests in one frame, each answered as if it were sent alone. */
  batch: { req: Batch; res: Reply<unknown>[] };
  /** Checks that the connection is alive, for example after the device woke up from sleep. */
  'comm:ping': { req: Ping; res: Pong };
  'call:initiate': { req: calls.InitiateCall; res: calls.Call };
  'call:respond': { req: calls.RespondToCall; res: calls.Call };
  /** Joins the running call of a conversation, also from another device. */
  'call:join': { req: calls.JoinCall; res: calls.Call };
  'call:hangup': { req: calls.HangUp; res: null };
  'call:sync': { req: calls.SyncCall; res: calls.Call };
  /** Reports that this device has a media connection to another participant. */
  'call:connected': { req: calls.CallRef; res: null };
  'call:media-toggle': { req: calls.ToggleMedia; res: null };
  'call:add-participant': { req: calls.CallMember; res: calls.Call };
  'call:remove-participant': { req: calls.CallMember; res: calls.Call };
  'call:quality-report': { req: calls.ConnectionQualityReport; res: null };
  /** Requests the STUN and TURN servers of this server. */
  'call:ice-servers': { req: Record<never, never>; res: calls.IceServers };
  'signal:offer': { req: calls.SessionDescription; res: null };
  'signal:answer': { req: calls.SessionDescription; res: null };
  'signal:ice-candidate': { req: calls.IceCandidate; res: null };
  'signal:ice-restart': { req: calls.IceRestart; res: null };
  'encryption:upload-keys': { req: encryption.UploadKeys; res: encryption.KeysUploaded };
  'encryption:request-keys': { req: encryption.RequestKeys; res: encryption.KeyExchangeResponse };
  'encryption:session-init': { req: encryption.SessionInit; res: null };
  'encryption:mailbox-ack': { req: encryption.MailboxAck; res: null };
  'file:request-upload': { req: files.RequestUpload; res: files.UploadReady };
  'file:sign': { req: files.SignFiles; res: files.SignedFiles };
  'user:get': { req: users.GetUsers; res: users.UserList };
  'user:search': { req: users.SearchUsers; res: users.UserList };
  'user:update': { req: users.UpdateUser; res: users.User };
  'user:block': { req: users.BlockUser; res: null };
  /** Returns the users whom the caller has blocked. */
  'user:blocked': { req: Record<never, never>; res: users.BlockedUsers };
}
/** Name of a request. */
export type RequestName = keyof Requests;
/** Payload of the request `K`. */
export type RequestOf<K extends RequestName> = Requests[K]['req'];
/** Answer to the request `K`. */
export type ResponseOf<K extends RequestName> = Requests[K]['res'];

/** Content of an acknowledgement. */
export type Reply<T> = { ok: true; data: T } | { ok: false; error: ErrorBody };

/** One request of a {@link Batch}. */
export interface BatchedRequest {
  /** `message:send`, `message:read` or `message:delivered`. Any other is answered with `UNSUPPORTED`. */
  name: string;
  payload: unknown;
}
/** Several requests. The answer has their replies, in order. */
export interface Batch {
  requests: BatchedRequest[];
  /** Asks for a {@link BriefMessage} instead of each message that is stored as its request has it. */
  brief?: boolean | undefined;
}
/** What a stored message has besides its request, its sender, the status `sent` and an empty `readBy`. */
export type BriefMessage = Pick<messages.Message, 'id' | 'createdAt' | 'seq' | 'rev'>;

/** Rejection of a request of a client that doesn't support acknowledgements. */
export interface RefusedRequest extends ErrorBody {
  /** Name of the rejected request. */
  event?: string | undefined;
  /** Client id of the rejected request. */
  clientId?: string | undefined;
}

/** All pushes by name, with their payloads. */
export interface Pushes {
  /** Several pushes in one frame, to clients with the capability `batch`. */
  batch: PushBatch;
  'comm:hello': Hello;
  /**
   * Pushes on this connection may have been lost: the client synchronizes as after a reconnect. To clients with the capability
   * `resync`; others are disconnected.
   */
  'comm:resync': ResyncRequest;
  'message:new': messages.Message;
  'message:updated': messages.MessageUpdated;
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
  /** Several receipts of a conversation, to clients with the capability `batch`. */
  'read-receipt:collected': receipts.CollectedReceipts;
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
  /** Reports that the recipient `senderId` has the first message of a session that the user has started. */
  'encryption:session-established': { sessionId: string; senderId: string };
  /** Reports that few one-time prekeys of the user are left: the client uploads new ones. */
  'encryption:keys-depleted': { userId: string };
  'encryption:keys-changed': encryption.KeysChanged;
  'file:upload-ready': files.UploadReady;
  'file:upload-error': files.UploadError;
  /** The profile of a user has changed. */
  'user:updated': users.User;
  /** The user has blocked or unblocked another user on some device. */
  'user:block-changed': users.BlockUser;
}
/** Name of a push. */
export type PushName = keyof Pushes;
/** Content of one `nk:data` frame. */
export type Push = { [K in PushName]: { event: K; data: Pushes[K] } }[PushName];
/** Several pushes, in the order in which they would have been pushed alone. None of them is a batch. */
export interface PushBatch {
  pushes: { event: string; data: unknown }[];
}
