import type { Conversation, ConversationLeft, ConversationUpdate } from '../protocol/conversations.ts';
import type { PushName } from '../protocol/events.ts';
import type { Message, Reaction, ReadReceipt } from '../protocol/messages.ts';
import type { PresenceUpdate, TypingUpdate } from '../protocol/presence.ts';
import { fields, type Fields } from './fields.ts';
import type { PushFrame } from './frames.ts';
import {
  assignDefined,
  parseConversation,
  parseId,
  parseMessage,
  parsePresence,
  parseReactions,
  parseTime,
  parseTyping,
  parseMemberChanges,
} from './parse-rows.ts';

/** An edit as a base server pushes it, without the rest of the message. */
export interface MessagePatch {
  messageId: string;
  content?: string | undefined;
  updatedAt?: string | undefined;
}

/** Payloads of the pushes that {@link parsePush} validates. A base server omits some fields that ours always sends. */
export interface ParsedPayloads {
  'message:new': Message;
  'message:forwarded': Message;
  'message:updated': Message | MessagePatch;
  'message:deleted': {
    messageId: string;
    conversationId?: string;
    deletedBy: string;
    rev?: number;
    /** Set by the encryption: see `MessageDeleted`. */
    unauthenticated?: boolean;
  };
  'message:reaction-update': {
    messageId: string;
    conversationId?: string;
    reactions: Reaction[];
    /** Verified and removed by the encryption. */
    envelope?: unknown;
    seq?: number;
    rev?: number;
  };
  'message:status': {
    messageId: string;
    conversationId?: string;
    status: 'sent' | 'delivered' | 'read';
    seq?: number;
  };
  'read-receipt:update': { messageId: string; conversationId: string; readBy: ReadReceipt; seq?: number };
  'conversation:new': Conversation;
  /** Only the fields that the push names: the others have not changed. */
  'conversation:updated': ConversationUpdate;
  'conversation:left': ConversationLeft;
  'typing:update': TypingUpdate;
  'presence:changed': PresenceUpdate;
}

/** Pushes whose payloads the receiving part parses: calls, encryption, files and errors. */
export type UnparsedPushName = Exclude<PushName, keyof ParsedPayloads | 'comm:hello' | 'comm:resync'>;

/** A push of either kind of server, with a validated payload. */
export type ParsedPush =
  | { [K in keyof ParsedPayloads]: { readonly event: K; readonly data: ParsedPayloads[K] } }[keyof ParsedPayloads]
  | { readonly event: UnparsedPushName; readonly data: Fields };

/** Parses a push. Returns `undefined` for an invalid payload. Pushes of unknown events are returned as they are. */
export function parsePush({ event, data }: PushFrame): ParsedPush | undefined {
  const row = fields(data);
  if (row === undefined) return undefined;
  switch (event) {
    case 'message:new':
    case 'message:forwarded':
      return push(event, parseMessage(row));
    case 'message:updated':
      return push(event, parseMessage(row) ?? parsePatch(row));
    case 'message:deleted':
      return push(event, parseDeletion(row));
    case 'message:reaction-update':
      return push(event, parseReactionUpdate(row));
    case 'message:status':
      return push(event, parseStatus(row));
    case 'read-receipt:update':
      return push(event, parseReadReceiptUpdate(row));
    case 'conversation:new':
      return push(event, parseConversation(row));
    case 'conversation:updated':
      return push(event, parseConversationUpdate(row));
    case 'conversation:left':
      return push(event, parseLeft(row));
    case 'typing:update':
      return push(event, parseTyping(row));
    case 'presence:changed':
      return push(event, parsePresence(row));
    case 'error':
    case 'message:error':
      return { event, data: row };
    default:
      return { event: event as UnparsedPushName, data: row };
  }
}

function push<K extends keyof ParsedPayloads>(event: K, data: ParsedPayloads[K] | undefined): ParsedPush | undefined {
  return data && ({ event, data } as ParsedPush);
}

function parsePatch(row: Fields): MessagePatch | undefined {
  const messageId = parseId(row['messageId']);
  const content = typeof row['content'] === 'string' ? row['content'] : undefined;
  return messageId === undefined
    ? undefined
    : assignDefined<MessagePatch>({ messageId }, { content, updatedAt: parseTime(row['updatedAt']) });
}

function parseDeletion(row: Fields): ParsedPayloads['message:deleted'] | undefined {
  const messageId = parseId(row['messageId']);
  if (messageId === undefined) return undefined;
  const deletion: ParsedPayloads['message:deleted'] = { messageId, deletedBy: parseId(row['deletedBy']) ?? '' };
  return assignDefined(deletion, { conversationId: parseId(row['conversationId']), rev: number(row['rev']) });
}

function parseReactionUpdate(row: Fields): ParsedPayloads['message:reaction-update'] | undefined {
  const messageId = parseId(row['messageId']);
  if (messageId === undefined) return undefined;
  const update: ParsedPayloads['message:reaction-update'] = { messageId, reactions: parseReactions(row['reactions']) };
  const position = { seq: number(row['seq']), rev: number(row['rev']), envelope: row['envelope'] };
  return assignDefined(update, { conversationId: parseId(row['conversationId']), ...position });
}

function parseStatus(row: Fields): ParsedPayloads['message:status'] | undefined {
  const messageId = parseId(row['messageId']);
  const { status } = row;
  if (messageId === undefined || (status !== 'sent' && status !== 'delivered' && status !== 'read')) return undefined;
  const update: ParsedPayloads['message:status'] = { messageId, status };
  return assignDefined(update, { conversationId: parseId(row['conversationId']), seq: number(row['seq']) });
}

function parseReadReceiptUpdate(row: Fields): ParsedPayloads['read-receipt:update'] | undefined {
  const conversationId = parseId(row['conversationId']);
  const messageId = parseId(row['messageId']);
  const by = fields(row['readBy']);
  const userId = parseId(by?.['userId']);
  if (conversationId === undefined || messageId === undefined || userId === undefined) return undefined;
  const readBy = { userId, readAt: parseTime(by?.['readAt']) ?? '' };
  const update: ParsedPayloads['read-receipt:update'] = { conversationId, messageId, readBy };
  return assignDefined(update, { seq: number(row['seq']) });
}

function parseConversationUpdate(row: Fields): ConversationUpdate | undefined {
  const conversation = parseConversation(row);
  if (conversation === undefined) return undefined;
  const { id, ...rest } = conversation;
  const update = { id, ...Object.fromEntries(Object.entries(rest).filter(([key]) => key in row)) };
  return assignDefined<ConversationUpdate>(update, { members: parseMemberChanges(row['members']) });
}

function parseLeft(row: Fields): ConversationLeft | undefined {
  const conversationId = parseId(row['conversationId']);
  const userId = parseId(row['userId']);
  return conversationId === undefined || userId === undefined ? undefined : { conversationId, userId };
}

function number(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}
