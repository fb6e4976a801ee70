import type { Pushes } from '../protocol/events.ts';
import type { Message } from '../protocol/messages.ts';
import {
  assignDefined,
  readConversation,
  readHead,
  readId,
  readMessage,
  readPresence,
  readReactions,
  readTime,
  readTyping,
} from '../transport/rows.ts';
import { fields } from '../transport/fields.ts';
import type { Change, Mark } from './changes.ts';

/** What a push means: a change of a conversation, a mark, or an event that is passed on. */
export type Meaning =
  | { what: 'change'; change: Change }
  | { what: 'mark'; mark: Mark }
  | { what: 'forwarded'; message: Message }
  | { what: 'conversation'; conversation: NonNullable<ReturnType<typeof readConversation>> }
  | { what: 'left'; conversationId: string; userId: string }
  | { what: 'event'; event: keyof Pushes; data: never };

export interface Surroundings {
  /** Finds a message that is held: a base server names only its id. */
  readonly find: (messageId: string) => Message | undefined;
  readonly now: () => string;
}

/** Reads a push of either kind of server. What makes no sense means nothing. */
export function interpret(event: string, data: unknown, around: Surroundings): Meaning | undefined {
  const row = fields(data);
  if (row === undefined) return undefined;
  switch (event) {
    case 'message:new':
      return created(readMessage(row));
    case 'message:forwarded': {
      const message = readMessage(row);
      return message && { what: 'forwarded', message };
    }
    case 'message:updated':
      return updated(row, around);
    case 'message:deleted': {
      const messageId = readId(row['messageId']);
      const conversationId = readId(row['conversationId']);
      // Ours sends the tombstone as well, as `message:updated`, under the same `rev`.
      if (row['rev'] !== undefined || messageId === undefined || conversationId === undefined) return undefined;
      const deletedBy = readId(row['deletedBy']) ?? '';
      return change({ kind: 'deleted', conversationId, messageId, deletedBy, deletedAt: around.now() });
    }
    case 'message:reaction-update': {
      const messageId = readId(row['messageId']) ?? '';
      const conversationId = readId(row['conversationId']) ?? around.find(messageId)?.conversationId;
      if (conversationId === undefined) return undefined;
      const position = { seq: number(row['seq']), rev: number(row['rev']) };
      const reactions = readReactions(row['reactions']);
      return change({ kind: 'reactions', conversationId, messageId, reactions, ...position });
    }
    case 'message:status':
      return status(row, around);
    case 'read-receipt:update':
      return read(row);
    case 'conversation:new': {
      const conversation = readConversation(row);
      return conversation && { what: 'conversation', conversation };
    }
    case 'conversation:updated':
      return conversationUpdated(row);
    case 'conversation:left': {
      const conversationId = readId(row['conversationId']);
      const userId = readId(row['userId']);
      return conversationId === undefined || userId === undefined
        ? undefined
        : { what: 'left', conversationId, userId };
    }
    case 'typing:update':
      return passedOn(event, readTyping(row));
    case 'presence:changed':
      return passedOn(event, readPresence(row));
    case 'status':
    case 'message:pending':
    case 'message:failed':
    case 'call':
    case 'encryption:identity-changed':
    case 'encryption:decryption-failed':
      // The client's own: no server speaks for it.
      return undefined;
    default:
      return { what: 'event', event: event as keyof Pushes, data: data as never };
  }
}

function passedOn(event: keyof Pushes, data: unknown): Meaning | undefined {
  return data === undefined ? undefined : { what: 'event', event, data: data as never };
}

function change(of: Change): Meaning {
  return { what: 'change', change: of };
}

function created(message: Message | undefined): Meaning | undefined {
  return message && change({ kind: 'created', conversationId: message.conversationId, message, rev: message.rev });
}

function updated(row: Readonly<Record<string, unknown>>, { find }: Surroundings): Meaning | undefined {
  const message = readMessage(row);
  if (message !== undefined) {
    return change({ kind: 'updated', conversationId: message.conversationId, message, rev: message.rev });
  }
  const held = find(readId(row['messageId']) ?? '');
  // An encrypted one is changed by an envelope, in a whole row: a text of the server's own must not look like its sender's.
  if (held === undefined || held.encrypted === true) return undefined;
  const content = typeof row['content'] === 'string' ? row['content'] : held.content;
  const edited = assignDefined({ ...held, content }, { updatedAt: readTime(row['updatedAt']) });
  return change({ kind: 'updated', conversationId: held.conversationId, message: edited });
}

function status(row: Readonly<Record<string, unknown>>, { find }: Surroundings): Meaning | undefined {
  const messageId = readId(row['messageId']);
  const reached = row['status'];
  if (messageId === undefined || (reached !== 'sent' && reached !== 'delivered' && reached !== 'read'))
    return undefined;
  const conversationId = readId(row['conversationId']) ?? find(messageId)?.conversationId ?? '';
  return {
    what: 'mark',
    mark: { kind: 'status', conversationId, messageId, status: reached, seq: number(row['seq']) },
  };
}

function read(row: Readonly<Record<string, unknown>>): Meaning | undefined {
  const conversationId = readId(row['conversationId']);
  const messageId = readId(row['messageId']);
  const by = fields(row['readBy']);
  const userId = readId(by?.['userId']);
  if (conversationId === undefined || messageId === undefined || userId === undefined) return undefined;
  const readAt = readTime(by?.['readAt']) ?? '';
  return { what: 'mark', mark: { kind: 'read', conversationId, messageId, userId, readAt, seq: number(row['seq']) } };
}

function conversationUpdated(row: Readonly<Record<string, unknown>>): Meaning | undefined {
  const full = readConversation(row);
  if (full === undefined) return undefined;
  // Only what the push names: a base server sends parts, and what it leaves out hasn't changed.
  const { id, ...rest } = full;
  const named = Object.fromEntries(Object.entries(rest).filter(([key]) => key in row));
  // A count moves no `rev`: its head only says what is counted.
  const rev = 'participants' in row ? readHead(row['head'])?.rev : undefined;
  return change({ kind: 'conversation', conversationId: id, update: { id, ...named }, rev });
}

function number(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}
