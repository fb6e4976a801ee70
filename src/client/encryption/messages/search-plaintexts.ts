import type { Message } from '../../../protocol/messages.ts';
import type { Secret } from '../../cipher.ts';
import { RECORDS } from '../keystore/keystore.ts';
import { parsePlaintext, type Plaintext, withSecret } from '../keystore/plaintexts.ts';
import type { RecordStore } from '../keystore/record-store.ts';

/** A search request. */
export interface SearchQuery {
  query: string;
  conversationId?: string | undefined;
  /** @defaultValue 50 */
  limit?: number | undefined;
}

/** Adds matching plaintexts on this device to what the server found, newest first. The server can't search plaintexts. */
export async function searchPlaintexts(
  records: RecordStore,
  { query, conversationId, limit = 50 }: SearchQuery,
  found: Message[],
): Promise<Message[]> {
  const prefix = RECORDS.plaintext('');
  const known = new Set(found.map(({ id }) => id));
  const matching = (await records.listJson(prefix)).flatMap(([name, value]) => {
    const id = decodeURIComponent(name.slice(prefix.length));
    const plaintext = parsePlaintext(value);
    if (plaintext === undefined || plaintext.hidden === true || known.has(id) || !matches(plaintext, query)) return [];
    return conversationId === undefined || plaintext.cid === conversationId ? [toMessage(id, plaintext)] : [];
  });
  if (matching.length === 0) return found;
  return [...found, ...matching].sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1)).slice(0, limit);
}

/** Returns a message that is hidden because the server says that it was deleted. */
export function findKeptMessage(records: RecordStore, id: string): Promise<Message | undefined> {
  const name = RECORDS.plaintext(id);
  return records.transact([name], (tx) => {
    const plaintext = parsePlaintext(tx.getJson(name));
    return plaintext?.hidden === true ? toMessage(id, plaintext) : undefined;
  });
}

/** Builds a message from the fields that are stored with its plaintext. */
function toMessage(id: string, plaintext: Plaintext): Message {
  const { cid: conversationId, senderId, clientId, createdAt = '' } = plaintext;
  const outer: Message = {
    id,
    conversationId,
    senderId,
    content: '',
    type: 'text',
    createdAt,
    status: 'sent',
    readBy: [],
    encrypted: true,
    clientId,
  };
  return withSecret(outer, plaintext);
}

/**
 * Whether each word of the query is a prefix of a word of the content, or of the name of a file without a caption, as in the
 * server's search.
 */
function matches({ content, attachment }: Secret, query: string): boolean {
  const words = wordsOf(content || (attachment?.fileName ?? ''));
  const wanted = wordsOf(query);
  return wanted.length > 0 && wanted.every((each) => words.some((word) => word.startsWith(each)));
}

function wordsOf(text: string): string[] {
  return text.toLocaleLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}
