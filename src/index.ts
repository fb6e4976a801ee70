export { CommClient } from './client/comm-client.ts';
export type { CommClientOptions, EncryptionOptions, PresenceOptions } from './client/options.ts';
export type { CommEvents, FailedDecryption, FailedMessage, IdentityChange, OwnEvents } from './client/events.ts';
export type { AttachmentKeys, EncryptedAttachment, Encryption, ExportOptions } from './client/encryption/encryption.ts';
export type { TrustState } from './client/encryption/trust.ts';
export type { Guarantees } from './client/peer.ts';
export type { MessagesClient, PendingMessage, SearchMessages, SendOptions } from './client/messages/messages-client.ts';
export type { HistoryPage, HistoryQuery } from './client/messages/history.ts';
export type { ConversationsClient } from './client/conversations/conversations-client.ts';
export type { ListConversations } from './client/conversations/directory.ts';
export type { ConversationSnapshot, ConversationView } from './client/conversations/conversation-view.ts';
export type { InboxSnapshot } from './client/conversations/inbox-state.ts';
export type { SendMessageInput } from './client/ports.ts';
export type { CallsClient } from './client/calls/calls-client.ts';
export type {
  CallOptions,
  CallSession,
  CallSessionEvents,
  CallSnapshot,
  RemoteStream,
  StartCall,
} from './client/calls/call-types.ts';
export type {
  CallMedia,
  IceConfig,
  IncomingSignal,
  LocalMedia,
  LocalMediaEvents,
  MediaBackend,
  MediaBackendEvents,
  MediaContext,
  MediaKey,
  MediaKeyPort,
  MediaPlatform,
  OutgoingSignal,
  PeerId,
  PeerState,
  PeerStats,
  Playback,
  ScreenShareOptions,
  SignalBody,
  SignalPort,
  Slot,
  WantedTrack,
} from './client/calls/media-backend.ts';
export type { PresenceClient } from './client/presence/presence-client.ts';
export type { TypingClient } from './client/presence/typing-client.ts';
export type { AbortOptions } from './lib/abort.ts';
export type { Listener, ListenOptions } from './lib/emitter.ts';
export type { LogFields, Logger } from './lib/logger.ts';
export type { Clock } from './lib/clock.ts';
export type { Observable } from './lib/observable.ts';
export { indexedDbStorage, type IndexedDbStorageOptions } from './storage/indexed-db.ts';
export { memoryStorage } from './storage/memory.ts';
export type { CommStorage, Step, Storable } from './storage/comm-storage.ts';
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
export { CommError, isCommError, type CommErrorOptions, type ErrorCode } from './protocol/errors.ts';
export type { Hello } from './protocol/hello.ts';
export type { DecryptionFailure, EncryptedEnvelope } from './protocol/encryption.ts';
export type { Pushes } from './protocol/events.ts';
export type {
  Conversation,
  ConversationUpdate,
  CreateConversation,
  Head,
  Participant,
} from './protocol/conversations.ts';
export type {
  EditMessage,
  ForwardMessage,
  Message,
  MessageAttachment,
  MessageRef,
  Reaction,
  ReactToMessage,
  ReadReceipt,
} from './protocol/messages.ts';
export type { Call, CallParticipant, ConnectionQualityReport, MediaChanged } from './protocol/calls.ts';
export type { PresenceUpdate, TypingUpdate } from './protocol/presence.ts';
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
} from './protocol/vocabulary.ts';
