import type { Message } from '../../../protocol/messages.ts';
import { fields } from '../../../transport/fields.ts';

/** Fields of answers and pushes that contain messages. */
const CONTAINER_FIELDS = ['conversations', 'conversation', 'messages', 'changes', 'gained', 'lastMessage'] as const;

/** Finds the rows of all messages in an answer or push, encrypted or not: the server says which they are. */
export function findMessageRows(value: unknown): object[] {
  const found: object[] = [];
  collect(value, found);
  return found;
}

function collect(value: unknown, found: object[]): void {
  if (Array.isArray(value)) {
    for (const each of value as readonly unknown[]) collect(each, found);
    return;
  }
  const row = fields(value);
  if (row === undefined) return;
  if (isMessage(row)) found.push(row);
  else for (const key of CONTAINER_FIELDS) if (row[key] !== undefined) collect(row[key], found);
}

function isMessage({ content, senderId, sender_id: base, encrypted }: Readonly<Record<string, unknown>>): boolean {
  const isReadable = typeof content === 'string' && (senderId ?? base) !== undefined;
  return isReadable || encrypted === true || encrypted === 1;
}

/** Returns a copy of the value in which rows are replaced by messages. The value itself is not modified. */
export function replaceRows(value: unknown, messages: ReadonlyMap<object, Message>): unknown {
  if (Array.isArray(value)) return (value as readonly unknown[]).map((each) => replaceRows(each, messages));
  const row = fields(value);
  if (row === undefined) return value;
  const message = messages.get(row);
  if (message !== undefined) return message;
  const present = CONTAINER_FIELDS.filter((key) => row[key] !== undefined);
  if (present.length === 0) return value;
  return { ...row, ...Object.fromEntries(present.map((key) => [key, replaceRows(row[key], messages)])) };
}
