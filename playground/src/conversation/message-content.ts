import type { Message } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { callRow } from '../call/call-row.ts';
import { unreadableRow } from '../encryption/unreadable-row.ts';
import { h } from '../lib/dom.ts';
import { isUnreadable } from '../lib/people.ts';
import { isEmojiOnly, richText } from '../lib/rich-text.ts';

/** What a message says. */
export function contentOf(session: Session, message: Message): Node[] {
  const { content, deletedAt, type, attachment } = message;
  if (deletedAt !== undefined) return [h('em', {}, 'This message was deleted')];
  if (type === 'call') return callRow(session, message);
  if (isUnreadable(message)) return unreadableRow(message);
  if (attachment !== undefined && /^https?:\/\/|^\//.test(attachment.url)) {
    const link = h(
      'a',
      { class: 'attachment', href: attachment.url, target: '_blank', rel: 'noopener noreferrer' },
      attachment.fileName,
    );
    return content === '' || content === attachment.fileName ? [link] : [link, ...richText(content)];
  }
  return isEmojiOnly(content) ? [h('span', { class: 'emoji-only' }, content)] : richText(content);
}
