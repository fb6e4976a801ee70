import type { Message } from '../../protocol/messages.ts';
import type { Secret } from '../cipher.ts';
import { NAMES, type Account } from './account.ts';
import { readText, secretOf } from './texts.ts';

/**
 * What an own message says with another text, and what it is called; `undefined` where it isn't encrypted.
 *
 * @param find - asks for a message whose text isn't kept here
 */
export async function editedIn(
  { records }: Account,
  messageId: string,
  content: string,
  find: (messageId: string) => Promise<Message>,
): Promise<{ secret: Secret; clientId: string } | undefined> {
  const name = NAMES.text(messageId);
  const text = await records.transact([name], (view) => readText(view.read(name)));
  if (text !== undefined) return { secret: secretOf({ ...text, content }), clientId: text.clientId };
  const { encrypted, clientId = messageId } = await find(messageId);
  return encrypted === true ? { secret: { content, type: 'text' }, clientId } : undefined;
}
