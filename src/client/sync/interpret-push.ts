import type { Conversation } from '../../protocol/conversations.ts';
import type { Message } from '../../protocol/messages.ts';
import type { PresenceUpdate, TypingUpdate } from '../../protocol/presence.ts';
import type { MessagePatch, ParsedPush, UnparsedPushName } from '../../transport/parse-push.ts';
import type { Change, Mark } from '../changes.ts';

/** What a push means for the state of the client. */
export type PushMeaning =
  | { what: 'change'; change: Change }
  | { what: 'mark'; mark: Mark }
  | { what: 'forwarded'; message: Message }
  | { what: 'conversation'; conversation: Conversation }
  | { what: 'left'; conversationId: string; userId: string }
  | { what: 'typing'; update: TypingUpdate }
  | { what: 'presence'; update: PresenceUpdate }
  /** Emitted as it is. */
  | { what: 'event'; event: UnparsedPushName; data: unknown };

/** The state that the pushes of a base server refer to. */
export interface PushLookup {
  /** Finds a loaded message: a base server sends only its id. */
  readonly find: (messageId: string) => Message | undefined;
  /** Returns the current time in ISO 8601. */
  readonly now: () => string;
}

/** Determines what a push means. Returns `undefined` for a push that changes nothing. */
export function interpretPush(push: ParsedPush, { find, now }: PushLookup): PushMeaning | undefined {
  switch (push.event) {
    case 'message:new':
      return messageChange('created', push.data);
    case 'message:forwarded':
      return { what: 'forwarded', message: push.data };
    case 'message:updated':
      return 'id' in push.data ? messageChange('updated', push.data) : patched(push.data, find);
    case 'message:deleted': {
      const { messageId, conversationId, deletedBy, unauthenticated, rev } = push.data;
      // Our server also sends the tombstone as `message:updated`, with the same `rev`.
      if (rev !== undefined || conversationId === undefined) return undefined;
      const deletion = { messageId, deletedBy, deletedAt: now(), ...(unauthenticated === true && { unauthenticated }) };
      return { what: 'change', change: { kind: 'deleted', conversationId, ...deletion } };
    }
    case 'message:reaction-update': {
      const { envelope: _envelope, conversationId = find(push.data.messageId)?.conversationId, ...update } = push.data;
      if (conversationId === undefined) return undefined;
      return { what: 'change', change: { kind: 'reactions', conversationId, ...update } };
    }
    case 'message:status': {
      const { conversationId = find(push.data.messageId)?.conversationId ?? '', ...update } = push.data;
      return { what: 'mark', mark: { kind: 'status', conversationId, ...update } };
    }
    case 'read-receipt:update': {
      const { readBy, ...update } = push.data;
      return { what: 'mark', mark: { kind: 'read', ...update, ...readBy } };
    }
    case 'conversation:new':
      return { what: 'conversation', conversation: push.data };
    case 'conversation:updated': {
      const update = push.data;
      // A count increments no `rev`: its head only says up to which message it counts.
      const rev = 'participants' in update || 'members' in update ? update.head?.rev : undefined;
      return { what: 'change', change: { kind: 'conversation', conversationId: update.id, update, rev } };
    }
    case 'conversation:left':
      return { what: 'left', ...push.data };
    case 'typing:update':
      return { what: 'typing', update: push.data };
    case 'presence:changed':
      return { what: 'presence', update: push.data };
    default:
      return { what: 'event', event: push.event, data: push.data };
  }
}

function messageChange(kind: 'created' | 'updated', message: Message): PushMeaning {
  return { what: 'change', change: { kind, conversationId: message.conversationId, message, rev: message.rev } };
}

function patched({ messageId, content, updatedAt }: MessagePatch, find: PushLookup['find']): PushMeaning | undefined {
  const message = find(messageId);
  // An encrypted message is only edited by another envelope: a server must not replace its text.
  if (message === undefined || message.encrypted === true || message.undecrypted !== undefined) return undefined;
  const edited = {
    ...message,
    ...(content !== undefined && { content }),
    ...(updatedAt !== undefined && { updatedAt }),
  };
  return { what: 'change', change: { kind: 'updated', conversationId: message.conversationId, message: edited } };
}
