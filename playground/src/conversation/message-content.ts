import type { Message } from 'lumen-comm';
import type { LinkPreview } from 'lumen-comm/protocol';
import type { Session } from '../app/session.ts';
import { captionOf, filesOf } from '../attachments/message-files.ts';
import { callLogRow } from '../call/call-log-row.ts';
import { unconfirmedDeletion } from '../encryption/unconfirmed-deletion.ts';
import { unreadableRow } from '../encryption/unreadable-row.ts';
import { h } from '../lib/dom.ts';
import { isUnreadable } from '../lib/people.ts';
import { markOf } from './mentions.ts';
import { isEmojiOnly, richText } from '../lib/rich-text.ts';

/** Renders the content of a message, without its files. */
export function contentOf(session: Session, message: Message): Node[] {
  const { deletedAt, type, linkPreview } = message;
  if (message.deletionUnauthenticated === true) return unconfirmedDeletion(session, message);
  if (deletedAt !== undefined) return [h('em', {}, 'This message was deleted')];
  if (type === 'call') return callLogRow(session, message);
  if (isUnreadable(message)) return unreadableRow(message);
  const content = captionOf(message, filesOf(message));
  if (isEmojiOnly(content)) return [h('span', { class: 'emoji-only' }, content)];
  const marks = message.mentions?.map((id) => ({ text: markOf(id), isSelf: id === session.userId }));
  const text = richText(content, marks);
  return linkPreview === undefined ? text : [...text, previewOf(linkPreview)];
}

/** Shows no picture: loading it would tell the page's server who reads the message. */
function previewOf({ url, title, description, domain }: LinkPreview): Node {
  const link = { class: 'link-preview', href: url, target: '_blank', rel: 'noopener noreferrer' };
  return h('a', link, h('strong', {}, title ?? domain), h('span', {}, description ?? ''), h('small', {}, domain));
}
