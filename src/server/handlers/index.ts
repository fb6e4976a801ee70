import type { RequestName } from '../../protocol/events.ts';
import { onBatch } from './batch.ts';
import * as calls from './calls.ts';
import * as conversations from './conversations.ts';
import type { RequestHandler } from './define-handler.ts';
import * as encryption from './encryption.ts';
import * as files from './files.ts';
import * as messages from './messages.ts';
import * as people from './people.ts';
import * as presence from './presence.ts';
import * as sync from './sync.ts';
import * as threads from './threads.ts';

/** The handler of each request of the protocol. */
export const HANDLERS = {
  'message:send': messages.onMessageSend,
  'message:read': messages.onMessageRead,
  'message:delivered': messages.onMessageDelivered,
  'message:react': messages.onMessageReact,
  'message:edit': messages.onMessageEdit,
  'message:delete': messages.onMessageDelete,
  'message:forward': messages.onMessageForward,
  'thread:read': threads.onThreadRead,
  'message:pin': messages.onMessagePin,
  'message:report': messages.onMessageReport,
  'typing:start': presence.onTypingStart,
  'typing:stop': presence.onTypingStop,
  'presence:update': presence.onPresenceUpdate,
  'presence:watch': presence.onPresenceWatch,
  'presence:unwatch': presence.onPresenceUnwatch,
  'conversation:create': conversations.onConversationCreate,
  'conversation:join': conversations.onConversationJoin,
  'conversation:leave': conversations.onConversationLeave,
  'conversation:archive': conversations.onConversationArchive,
  'conversation:mute': conversations.onConversationMute,
  'conversation:pin': conversations.onConversationPin,
  'conversation:mark-unread': threads.onMarkUnread,
  'conversation:update': conversations.onConversationUpdate,
  'conversation:browse': conversations.onConversationBrowse,
  'conversation:enter': conversations.onConversationEnter,
  'conversation:ban': conversations.onConversationBan,
  'conversation:add-participants': conversations.onAddParticipants,
  'conversation:remove-participant': conversations.onRemoveParticipant,
  'conversation:set-role': conversations.onSetRole,
  sync: sync.onSync,
  batch: onBatch,
  'comm:ping': sync.onPing,
  'call:initiate': calls.onCallInitiate,
  'call:respond': calls.onCallRespond,
  'call:join': calls.onCallJoin,
  'call:hangup': calls.onCallHangup,
  'call:sync': calls.onCallSync,
  'call:connected': calls.onCallConnected,
  'call:media-toggle': calls.onCallMediaToggle,
  'call:add-participant': calls.onCallAddParticipant,
  'call:remove-participant': calls.onCallRemoveParticipant,
  'call:quality-report': calls.onCallQualityReport,
  'call:ice-servers': calls.onCallIceServers,
  'signal:offer': calls.onSignalOffer,
  'signal:answer': calls.onSignalAnswer,
  'signal:ice-candidate': calls.onSignalIceCandidate,
  'signal:ice-restart': calls.onSignalIceRestart,
  'encryption:upload-keys': encryption.onUploadKeys,
  'encryption:request-keys': encryption.onRequestKeys,
  'encryption:session-init': encryption.onSessionInit,
  'encryption:mailbox-ack': encryption.onMailboxAck,
  'file:request-upload': files.onRequestUpload,
  'file:sign': files.onSignFiles,
  'user:get': people.onUserGet,
  'user:search': people.onUserSearch,
  'user:update': people.onUserUpdate,
  'user:block': people.onUserBlock,
  'user:blocked': people.onUserBlocked,
} as const satisfies { [K in RequestName]: RequestHandler<K> };
