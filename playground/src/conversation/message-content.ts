import type { Message } from 'lumen-comm';
import { h } from '../lib/dom.ts';
import { isEmojiOnly, richText } from '../lib/rich-text.ts';

/** What a message says. */
export function contentOf({ content, deletedAt, encrypted, attachment }: Message): Node[] {
  if (deletedAt !== undefined) return [h('em', {}, 'This message was deleted')];
  if (encrypted === true) return [h('em', {}, 'This message is encrypted')];
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
