import type { Message, SendMessage } from '../../../protocol/messages.ts';
import { attachmentsOf } from '../../store/queries/stored-attachments.ts';
import type { Caller } from '../ports.ts';

/**
 * Where answers and pushes contain messages. Nothing else is visited, so that the cost doesn't depend on the size of the
 * messages.
 */
const FIELDS = ['lastMessage', 'messages', 'changes', 'conversation', 'conversations', 'gained', 'data', 'pushes'];

/** Returns whether the caller reads captions: its client receives an empty `content` for files without one. */
export function readsCaptions({ caps }: Pick<Caller, 'caps'>): boolean {
  return caps.has('batch');
}

/** Returns an answer as the caller's client reads it. */
export function answerFor<T>(caller: Pick<Caller, 'caps'>, answer: T): T {
  return readsCaptions(caller) ? answer : withFileNames(answer);
}

/** As {@link answerFor}, for an answer that is already written as JSON. */
export function jsonAnswerFor(caller: Pick<Caller, 'caps'>, json: string): string {
  if (readsCaptions(caller) || !json.includes('"content":""') || !json.includes('"attachment":{')) return json;
  return JSON.stringify(withFileNames(JSON.parse(json)));
}

/**
 * Sets the name of the first file as the `content` of messages without a caption, for base clients, which show only
 * `content`.
 *
 * @param value - an answer or a push
 * @returns the same value if it contains no such message
 */
export function withFileNames<T>(value: T): T {
  return named(value) as T;
}

/** Removes the placeholder that base clients send instead of a caption: the name of the file. */
export function withoutFileName(message: SendMessage): SendMessage {
  const [first] = attachmentsOf(message);
  return first !== undefined && message.content === first.fileName ? { ...message, content: '' } : message;
}

function named(value: unknown): unknown {
  if (Array.isArray(value)) {
    const list = value.map(named);
    return list.some((each, at) => each !== value[at]) ? list : (value as unknown);
  }
  if (typeof value !== 'object' || value === null) return value;
  if (isUncaptioned(value)) return { ...value, content: value.attachment.fileName };
  let copy: Record<string, unknown> | undefined;
  for (const field of FIELDS) {
    const before = (value as Record<string, unknown>)[field];
    const after = named(before);
    if (after !== before) (copy ??= { ...value })[field] = after;
  }
  return copy ?? value;
}

type Uncaptioned = Pick<Message, 'content'> & Required<Pick<Message, 'attachment'>>;

function isUncaptioned(value: Partial<Message>): value is Uncaptioned & { attachment: { fileName: string } } {
  return value.content === '' && value.attachment !== undefined && value.encrypted !== true;
}
