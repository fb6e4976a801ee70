import { fields } from '../../transport/fields.ts';
import type { Message } from '../../protocol/messages.ts';

/** The parts of answers and pushes that have messages in them. */
const HOLDERS = ['conversations', 'conversation', 'changes', 'gained', 'lastMessage'] as const;

/** Every row of an encrypted message in something that a server has said, in whichever of the two shapes. */
export function encryptedIn(value: unknown): object[] {
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
  if (isEncrypted(row)) found.push(row);
  else for (const key of HOLDERS) if (row[key] !== undefined) collect(row[key], found);
}

function isEncrypted({ encrypted }: Readonly<Record<string, unknown>>): boolean {
  return encrypted === true || encrypted === 1;
}

/** The same with messages in the place of their rows. What came stays as it is. */
export function replacedIn(value: unknown, messages: ReadonlyMap<object, Message>): unknown {
  if (Array.isArray(value)) return (value as readonly unknown[]).map((each) => replacedIn(each, messages));
  const row = fields(value);
  if (row === undefined) return value;
  const message = messages.get(row);
  if (message !== undefined) return message;
  const held = HOLDERS.filter((key) => row[key] !== undefined);
  if (held.length === 0) return value;
  return { ...row, ...Object.fromEntries(held.map((key) => [key, replacedIn(row[key], messages)])) };
}
