import type { LinkPreview } from '../protocol/link-previews.ts';
import type { ActiveCall } from '../protocol/calls.ts';
import type { EncryptedEnvelope } from '../protocol/encryption.ts';
import type { Changes, Conversation, Head, MemberChanges, Participant, Reached } from '../protocol/conversations.ts';
import type { Message, MessageAttachment, Pin, Reaction, ReadReceipt } from '../protocol/messages.ts';
import type { ThreadSummary, UnreadState } from '../protocol/threads.ts';
import type { JsonObject } from '../protocol/metadata.ts';
import { isAttachmentUrl } from '../protocol/attachment-url.ts';
import type { PresenceUpdate, TypingUpdate } from '../protocol/presence.ts';
import type { User } from '../protocol/users.ts';
import {
  CALL_TYPES,
  CONVERSATION_TYPES,
  MESSAGE_STATUSES,
  MESSAGE_TYPES,
  PRESENCE_STATUSES,
  VISIBILITIES,
} from '../protocol/constants.ts';
import { fields, type Fields } from './fields.ts';

/*
 * Parsers for server data in two formats: the protocol's types, and the database rows of a LumenJS server (snake_case,
 * numeric ids, `attachment` as a JSON string, `encrypted` 0 or 1). They return `undefined` for malformed data and never throw.
 */

/** Messages that this client has parsed and decrypted. Identity can't be forged by a peer's JSON. */
const decrypted = new WeakSet<object>();

/** Marks a decrypted message, so that `parseMessage` returns this object unchanged instead of removing its content. */
export function keepDecrypted(message: Message): Message {
  decrypted.add(message);
  return message;
}

/** Parses a message. The content of an encrypted one is removed; its envelope may also be the `content` (LumenJS). */
export function parseMessage(value: unknown): Message | undefined {
  if (typeof value === 'object' && value !== null && decrypted.has(value)) return value as Message;
  const row = fields(value);
  const id = parseId(row?.['id']);
  const conversationId = parseId(row?.['conversationId'] ?? row?.['conversation_id']);
  if (row === undefined || id === undefined || conversationId === undefined) return undefined;
  const encrypted = row['encrypted'] === true || row['encrypted'] === 1;
  const content = text(row['content']) ?? '';
  const createdAt = parseTime(row['createdAt'] ?? row['created_at']) ?? '';
  const type = oneOf(MESSAGE_TYPES, row['type']) ?? 'text';
  const updatedAt = parseTime(row['updatedAt'] ?? row['updated_at']);
  // A base server represents a deleted message as an empty system message.
  const deletedAt =
    parseTime(row['deletedAt'] ?? row['deleted_at']) ??
    (type === 'system' && content === '' && row['seq'] === undefined ? (updatedAt ?? createdAt) : undefined);
  const envelope = encrypted ? (parseJson(row['envelope']) ?? parseJson(content)) : undefined;
  const message: Message = {
    id,
    conversationId,
    senderId: parseId(row['senderId'] ?? row['sender_id']) ?? '',
    content: encrypted ? '' : content,
    type,
    createdAt,
    status: oneOf(MESSAGE_STATUSES, row['status']) ?? 'sent',
    readBy: list(row['readBy'], parseReadReceipt),
  };
  const attachment = parseJson(row['attachment']) as MessageAttachment | undefined;
  // A base server, which knows no `seq`, has the name of a file in place of its caption.
  if (row['seq'] === undefined && attachment !== undefined && attachment.fileName === content) message.content = '';
  const forwardedFrom = fields(row['forwardedFrom']);
  return assignDefined(message, {
    updatedAt,
    replyTo: parseId(row['replyTo'] ?? row['reply_to']),
    attachment,
    // Those of an encrypted message are part of its ciphertext.
    attachments: parseList(!encrypted && row['attachments']) as MessageAttachment[] | undefined,
    linkPreview: encrypted ? undefined : parseLinkPreview(row['linkPreview']),
    metadata: encrypted ? undefined : (fields(row['metadata']) as JsonObject | undefined),
    pinned: parsePin(row['pinned']),
    encrypted: encrypted || undefined,
    envelope: envelope as EncryptedEnvelope | undefined,
    clientId: text(row['clientId']),
    seq: count(row['seq']),
    rev: count(row['rev']),
    reactions: Array.isArray(row['reactions']) ? parseReactions(row['reactions']) : undefined,
    // Each is checked when it is verified.
    reactionEnvelopes: parseList(encrypted && row['reactionEnvelopes']) as EncryptedEnvelope[] | undefined,
    forwardedFrom:
      forwardedFrom === undefined
        ? undefined
        : {
            conversationId: text(forwardedFrom['conversationId']) ?? '',
            messageId: parseId(forwardedFrom['messageId']) ?? '',
          },
    // Those of an encrypted message are part of its ciphertext.
    mentions: encrypted ? undefined : parseIds(row['mentions']),
    threadId: parseId(row['threadId']),
    alsoInConversation: row['alsoInConversation'] === true || undefined,
    threadSeq: count(row['threadSeq']),
    timelineSeq: count(row['timelineSeq']),
    thread: parseThread(row['thread']),
    deletedAt,
    deletedBy: deletedAt === undefined ? undefined : parseId(row['deletedBy']),
  });
}

function parseIds(value: unknown): string[] | undefined {
  return Array.isArray(value) ? list(value, text) : undefined;
}

function parseThread(value: unknown): ThreadSummary | undefined {
  const row = fields(value);
  return (
    row && {
      replyCount: count(row['replyCount']) ?? 0,
      lastReplyAt: parseTime(row['lastReplyAt']) ?? '',
      participantIds: list(row['participantIds'], text),
    }
  );
}

/** Parses what is unread besides `unreadCount`. A server that sends any of it omits what is empty. */
export function parseUnread(row: Fields): UnreadState {
  const unreadMentions = count(row['unreadMentions']);
  if (unreadMentions === undefined) return {};
  return {
    unreadMentions,
    unreadThreads: count(row['unreadThreads']) ?? 0,
    followedThreads: list(row['followedThreads'], (each) => {
      const { id, unread } = fields(each) ?? {};
      return typeof id === 'string' ? { id, unread: unread === true } : undefined;
    }),
    firstUnreadId: text(row['firstUnreadId']) ?? null,
    readSeq: count(row['readSeq']),
  };
}

function parsePin(value: unknown): Pin | undefined {
  const row = fields(value);
  const by = parseId(row?.['by']);
  return by === undefined ? undefined : { by, at: parseTime(row?.['at']) ?? '' };
}

function parseList(value: unknown): unknown[] | undefined {
  return Array.isArray(value) ? (value as unknown[]) : undefined;
}

/** Parses a link preview. A URL that isn't http(s) could run code when it is clicked: then there is no preview, or no image. */
function parseLinkPreview(value: unknown): LinkPreview | undefined {
  const { url, title, description, image, domain } = fields(value) ?? {};
  const [link, host] = [webUrl(url), text(domain)];
  if (link === undefined || host === undefined) return undefined;
  return { url: link, title: text(title), description: text(description), image: webUrl(image), domain: host };
}

function webUrl(value: unknown): string | undefined {
  const url = text(value);
  return url !== undefined && /^https?:\/\//i.test(url) ? url : undefined;
}

/** Parses a list of reactions, skipping malformed ones. A missing count is the number of users. */
export function parseReactions(value: unknown): Reaction[] {
  return list(value, (each) => {
    const row = fields(each);
    const emoji = text(row?.['emoji']);
    if (row === undefined || emoji === undefined) return undefined;
    const users = list(row['users'], text);
    return { emoji, count: count(row['count']) ?? users.length, users };
  });
}

/** Parses a conversation. */
export function parseConversation(value: unknown): Conversation | undefined {
  const row = fields(value);
  const id = parseId(row?.['id']);
  if (row === undefined || id === undefined) return undefined;
  const createdAt = parseTime(row['createdAt'] ?? row['created_at']) ?? '';
  const conversation: Conversation = {
    id,
    type: oneOf(CONVERSATION_TYPES, row['type']) ?? 'group',
    participants: list(row['participants'], parseParticipant),
    createdAt,
    updatedAt: parseTime(row['updatedAt'] ?? row['updated_at']) ?? createdAt,
    unreadCount: count(row['unreadCount'] ?? row['unread_count']) ?? 0,
  };
  return assignDefined(conversation, {
    ...parseUnread(row),
    name: text(row['name']),
    description: text(row['description']),
    avatarUrl: text(row['avatarUrl']),
    metadata: fields(row['metadata']) as JsonObject | undefined,
    visibility: oneOf(VISIBILITIES, row['visibility']),
    frozen: flag(row['frozen']),
    slowModeSeconds: count(row['slowModeSeconds']),
    lastMessage: parseMessage(row['lastMessage']),
    pinned: flag(row['pinned']),
    muted: flag(row['muted']),
    archived: flag(row['archived']),
    flagsRev: count(row['flagsRev']),
    head: parseHead(row['head']),
    memberCount: count(row['memberCount']),
    membersRev: count(row['membersRev']),
    reached: parseReached(row['reached']),
    activeCall: parseActiveCall(row['activeCall']),
  });
}

/** Parses a running call; `null` means that none is running. */
function parseActiveCall(value: unknown): ActiveCall | null | undefined {
  if (value === null) return null;
  const row = fields(value);
  const id = parseId(row?.['id']);
  if (row === undefined || id === undefined) return undefined;
  const type = oneOf(CALL_TYPES, row['type']) ?? 'audio';
  return { id, type, startedAt: parseTime(row['startedAt']) ?? '', participantIds: list(row['participantIds'], text) };
}

function parseReached(value: unknown): Reached | undefined {
  const row = fields(value);
  return row && { delivered: count(row['delivered']) ?? 0, read: count(row['read']) ?? 0 };
}

/** Parses a head. */
export function parseHead(value: unknown): Head | undefined {
  const row = fields(value);
  const seq = count(row?.['seq']);
  const rev = count(row?.['rev']);
  return seq === undefined || rev === undefined ? undefined : { seq, rev };
}

/** Parses a list of messages, skipping malformed ones. */
export function parseMessages(value: unknown): Message[] | undefined {
  return Array.isArray(value) ? list(value, parseMessage) : undefined;
}

/** Parses a page of changes. */
export function parseChanges(value: unknown): Changes | undefined {
  const row = fields(value);
  const conversation = parseConversation(row?.['conversation']);
  const head = parseHead(row?.['head']);
  const changes = parseMessages(row?.['changes']);
  if (conversation === undefined || head === undefined || changes === undefined) return undefined;
  return { changes, conversation, head, hasMore: row?.['hasMore'] === true, tooLong: row?.['tooLong'] === true };
}

/** Parses a presence update. */
export function parsePresence(value: unknown): PresenceUpdate | undefined {
  const row = fields(value);
  const userId = parseId(row?.['userId']);
  const status = oneOf(PRESENCE_STATUSES, row?.['status']);
  if (userId === undefined || status === undefined) return undefined;
  return assignDefined<PresenceUpdate>({ userId, status }, { lastSeen: parseTime(row?.['lastSeen']) });
}

/** Parses a profile. A picture that isn't http(s) or relative is left out: another scheme could run code. */
export function parseUser(value: unknown): User | undefined {
  const row = fields(value);
  const id = parseId(row?.['id']);
  if (row === undefined || id === undefined) return undefined;
  const avatarUrl = text(row['avatarUrl']);
  return assignDefined<User>(
    { id, displayName: text(row['displayName']) || id, updatedAt: parseTime(row['updatedAt']) ?? '' },
    {
      avatarUrl: avatarUrl !== undefined && isAttachmentUrl(avatarUrl) ? avatarUrl : undefined,
      metadata: fields(row['metadata']) as JsonObject | undefined,
    },
  );
}

/** Parses a typing update. */
export function parseTyping(value: unknown): TypingUpdate | undefined {
  const row = fields(value);
  const conversationId = parseId(row?.['conversationId']);
  const userId = parseId(row?.['userId']);
  if (conversationId === undefined || userId === undefined) return undefined;
  return { conversationId, userId, isTyping: row?.['isTyping'] === true };
}

/** Parses an id: a non-empty string, or a safe integer as in a LumenJS server's rows. */
export function parseId(value: unknown): string | undefined {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return String(value);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** Returns an ISO 8601 time in UTC. Converts `YYYY-MM-DD HH:MM:SS` (UTC), which LumenJS servers write in some rows. */
export function parseTime(value: unknown): string | undefined {
  if (typeof value !== 'string' || value === '') return undefined;
  return /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/.test(value) ? `${value.replace(' ', 'T')}.000Z` : value;
}

/** Assigns the defined values to `target` and returns it, so that absent properties stay absent. */
export function assignDefined<T extends object>(target: T, values: { readonly [K in keyof T]?: T[K] | undefined }): T {
  // `values` is always a literal. A list of its keys would be the largest object that a message allocates.
  for (const key in values) {
    const value = values[key];
    if (value !== undefined) target[key] = value;
  }
  return target;
}

/** Parses the changed members of a group. */
export function parseMemberChanges(value: unknown): MemberChanges | undefined {
  const row = fields(value);
  return row && { changed: list(row['changed'], parseParticipant), left: list(row['left'], text) };
}

/** Parses a participant of a conversation. */
export function parseParticipant(value: unknown): Participant | undefined {
  const row = fields(value);
  const userId = parseId(row?.['userId']);
  if (row === undefined || userId === undefined) return undefined;
  const participant: Participant = {
    userId,
    displayName: text(row['displayName']) || userId,
    joinedAt: parseTime(row['joinedAt']) ?? '',
    presence: oneOf(PRESENCE_STATUSES, row['presence']) ?? 'offline',
  };
  return assignDefined(participant, {
    avatarUrl: text(row['avatarUrl']),
    role: oneOf(['owner', 'admin', 'member'] as const, row['role']),
    lastReadSeq: count(row['lastReadSeq']),
    lastReadAt: parseTime(row['lastReadAt']),
    lastDeliveredSeq: count(row['lastDeliveredSeq']),
  });
}

function parseReadReceipt(value: unknown): ReadReceipt | undefined {
  const row = fields(value);
  const userId = parseId(row?.['userId']);
  return userId === undefined ? undefined : { userId, readAt: parseTime(row?.['readAt']) ?? '' };
}

/** Returns an object given as such or as JSON text. */
function parseJson(value: unknown): Fields | undefined {
  if (typeof value !== 'string') return fields(value);
  try {
    return fields(JSON.parse(value));
  } catch {
    return undefined;
  }
}

/** Parses the items of a list, and drops those that can't be parsed. */
export function list<T>(value: unknown, parse: (each: unknown) => T | undefined): T[] {
  return Array.isArray(value) ? value.map(parse).filter((each) => each !== undefined) : [];
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** Parses a number of things. */
export function count(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined;
}

function flag(value: unknown): boolean | undefined {
  return typeof value === 'boolean' ? value : typeof value === 'number' ? value !== 0 : undefined;
}

function oneOf<const T extends string>(allowed: readonly T[], value: unknown): T | undefined {
  return allowed.find((each) => each === value);
}
