import type { Message } from '../../protocol/messages.ts';
import type { Secret } from '../cipher.ts';
import { NAMES } from './account.ts';
import type { Records } from './records.ts';
import { readText, withSecret, type Text } from './texts.ts';

export interface Search {
  query: string;
  conversationId?: string | undefined;
  limit?: number | undefined;
}

/** Adds what is kept here and fits to what the server found, which sees no text: newest first. */
export async function searchTexts(
  records: Records,
  { query, conversationId, limit = 50 }: Search,
  found: Message[],
): Promise<Message[]> {
  const prefix = NAMES.text('');
  const known = new Set(found.map(({ id }) => id));
  const kept = (await records.list(prefix)).flatMap(([name, value]) => {
    const id = decodeURIComponent(name.slice(prefix.length));
    const text = readText(value);
    if (text === undefined || known.has(id) || !matches(text, query)) return [];
    return conversationId === undefined || text.cid === conversationId ? [messageOf(id, text)] : [];
  });
  if (kept.length === 0) return found;
  return [...found, ...kept].sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1)).slice(0, limit);
}

/** The message, as far as it is kept. */
function messageOf(id: string, text: Text): Message {
  const { cid: conversationId, senderId, clientId, createdAt = '' } = text;
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
  return withSecret(outer, text);
}

/** Every word of the query begins a word of the text, as the server's own search has it. */
function matches({ content }: Secret, query: string): boolean {
  const words = wordsOf(content);
  const wanted = wordsOf(query);
  return wanted.length > 0 && wanted.every((each) => words.some((word) => word.startsWith(each)));
}

function wordsOf(text: string): string[] {
  return text.toLocaleLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}
