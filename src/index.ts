export { CommClient } from './client/comm-client.ts';
export type {
  BaseServerOptions,
  CommClientOptions,
  EncryptionOptions,
  OfflineOptions,
  PresenceOptions,
} from './client/options.ts';
export type { ForgetOptions } from './client/offline/forget.ts';
export type { BaseServerFeature } from './transport/base-mode.ts';
export type { CommEvents, FailedDecryption, FailedMessage } from './client/events.ts';
export type { EncryptedAttachment, Encryption, ExportOptions } from './client/encryption/encryption.ts';
export type { MembersChange } from './client/encryption/groups/member-pin.ts';
export type { IdentityChange, OpenIdentityChange, TrustState } from './client/encryption/nkc1/identity-trust.ts';
export type { ConnectionSnapshot } from './client/connection/connection-reporter.ts';
export type { Guarantees } from './client/connection/server-info.ts';
export type { ReportOptions } from './client/messages/message-extras.ts';
export type { MarkRead, MessagesClient, SearchMessages, SendOptions } from './client/messages/messages-client.ts';
export type { PendingMessage } from './client/messages/outgoing-messages.ts';
export type { UploadProgress } from './client/outbox/pending-files.ts';
export type { HistoryPage, HistoryQuery } from './client/timeline/history-query.ts';
export type { ConversationsClient } from './client/conversations/conversations-client.ts';
export type { BanOptions, BrowsePublicGroups, UpdateConversation } from './client/conversations/management-requests.ts';
export type { ListConversations } from './client/conversations/directory.ts';
export type { ListMembers } from './client/read-members.ts';
export type { ConversationView } from './client/conversations/conversation-view.ts';
export type { ConversationSnapshot } from './client/conversations/open-conversation.ts';
export type { Inbox, InboxSnapshot } from './client/conversations/inbox.ts';
export type { SendMessageInput } from './client/ports.ts';
export type { CallsClient } from './client/calls/session/calls-client.ts';
export type {
  CallOptions,
  CallSession,
  CallSessionEvents,
  CallSnapshot,
  CurrentCalls,
  JoinMedia,
  MediaPreview,
  MediaPreviewSnapshot,
  RemoteStream,
  StartCall,
} from './client/calls/session/call-types.ts';
export type {
  DeviceChoice,
  ProcessedTrack,
  ScreenShareOptions,
  TrackProcessor,
} from './client/calls/webrtc/media-backend.ts';
export type { PresenceClient } from './client/presence/presence-client.ts';
export type {
  DownloadOptions,
  FilesClient,
  RecordVoiceOptions,
  UploadOptions,
  VoiceRecorder,
  VoiceRecorderSnapshot,
  VoiceRecording,
} from './client/files/files-client.ts';
export type { SearchUsersOptions } from './client/users/user-directory.ts';
export type { UsersClient } from './client/users/users-client.ts';
export type { TypingClient } from './client/presence/typing-client.ts';
export type { AbortOptions } from './lib/abort.ts';
export type { Listener, ListenOptions } from './lib/emitter.ts';
export type { LogFields, Logger } from './lib/logger.ts';
export type { Clock } from './lib/clock.ts';
export type { Observable } from './lib/observable.ts';
export type { RandomSource } from './lib/random.ts';
export { indexedDbStorage, type IndexedDbStorageOptions } from './storage/indexed-db-storage.ts';
export { memoryStorage } from './storage/memory-storage.ts';
export type { BlobStorage, CommStorage, Step, Storable } from './storage/comm-storage.ts';
export {
  lumenPagePort,
  type LumenPageHost,
  type LumenPageOptions,
  type LumenPagePort,
  type LumenPageSocket,
} from './transport/lumen-page.ts';
export { socketIoPort, type SocketIoOptions } from './transport/socket-io.ts';
export type { ConnectRefusal, Handshake, SocketListener, SocketPort } from './transport/socket-port.ts';
export type { ConnectionStatus } from './transport/connection.ts';
export type { Token } from './transport/token-source.ts';
export {
  CommError,
  isCommError,
  type CommErrorOptions,
  type ConnectFailureReason,
  type ErrorCode,
  type RateScope,
} from './protocol/errors.ts';
export type { Hello } from './protocol/handshake.ts';
export type { DecryptionFailure, EncryptedEnvelope } from './protocol/encryption.ts';
export type {
  Conversation,
  ConversationLeft,
  ConversationUpdate,
  CreateConversation,
  Head,
  Participant,
} from './protocol/conversations.ts';
export type { Ban, BanPage, ConversationSettings, PublicConversation } from './protocol/groups.ts';
export type { Json, JsonObject } from './protocol/metadata.ts';
export type {
  AttachmentKeys,
  EditMessage,
  ForwardedFrom,
  ForwardMessage,
  Message,
  MessageAttachment,
  MessageDeleted,
  MessageRef,
  MessageStatusUpdate,
  Pin,
  Reaction,
  ReactionUpdate,
  ReactToMessage,
  ReadReceipt,
  ReadReceiptUpdate,
} from './protocol/messages.ts';
export type { FollowedThread, ThreadSummary, UnreadState } from './protocol/threads.ts';
export type { Call, CallParticipant, ConnectionQualityReport, MediaChanged } from './protocol/calls.ts';
export type { PresenceUpdate, TypingUpdate } from './protocol/presence.ts';
export type { UpdateUser, User } from './protocol/users.ts';
export type {
  CallEndDetail,
  CallEndReason,
  CallState,
  CallType,
  Capability,
  ConversationType,
  MessageStatus,
  MessageType,
  PresenceStatus,
  QualityLevel,
  Role,
  SendableType,
  Visibility,
} from './protocol/constants.ts';
