import type { Message } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { messageFiles } from '../attachments/files-view.ts';
import { filesOf } from '../attachments/message-files.ts';
import { h, hiddenText, on, setAttributes, setChildren, setText } from '../lib/dom.ts';
import { exactTime, listNames, timeOfDay } from '../lib/format.ts';
import { icon } from '../lib/icons.ts';
import type { ItemView } from '../lib/keyed-list.ts';
import { nameOf } from '../lib/people.ts';
import { personAvatar, showName } from '../ui/avatar.ts';
import { button } from '../ui/button.ts';
import type { MessageCommands } from './message-commands.ts';
import { contentOf } from './message-content.ts';
import type { MessageToolbar } from './message-toolbar.ts';
import { quoteView } from './quote-view.ts';
import { reactionBar } from './reaction-bar.ts';
import { isNotice, type MessageRowData } from './rows.ts';
import { statusIcon } from './status-icon.ts';
import { threadLink } from './thread-link.ts';

/** The row of a message. Updates only the parts that changed. */
export function messageView(
  session: Session,
  commands: MessageCommands,
  toolbar: MessageToolbar,
  signal: AbortSignal,
): ItemView<MessageRowData> {
  const { userId } = session;
  const picture = h('span', { class: 'message-avatar' });
  const sender = h('span', { class: 'message-sender' });
  const forwarded = h('span', { class: 'message-forwarded', hidden: true }, icon('forward', 14), 'Forwarded');
  const quote = quoteView(session, commands);
  const files = messageFiles(session, commands.discard, signal);
  const content = h('div', { class: 'message-content', dir: 'auto' });
  const edited = h('span', { hidden: true }, 'edited');
  const time = h('time', {});
  const status = h('span', { class: 'message-status' });
  const statusMark = statusIcon();
  const lock = h(
    'span',
    { class: 'message-lock', role: 'img', 'aria-label': 'Encrypted', title: 'Encrypted end to end', hidden: true },
    icon('lock', 13),
  );
  const pinned = h(
    'span',
    { class: 'message-lock', role: 'img', 'aria-label': 'Pinned', title: 'Pinned', hidden: true },
    icon('pin', 13),
  );
  const meta = h('span', { class: 'message-meta' }, pinned, lock, edited, time, status);
  const bubble = h('div', { class: 'bubble' }, forwarded, quote.element, files.element, content, meta);
  const collapsed = collapsedNote(bubble);
  const reactions = reactionBar(userId, commands);
  const thread = threadLink(commands.openThread);
  const failure = h('div', { class: 'message-failure', role: 'alert', hidden: true });
  const readers = h('div', { class: 'message-readers', hidden: true });
  const body = h(
    'div',
    { class: 'message-body' },
    sender,
    h('div', { class: 'bubble-line' }, picture, collapsed.element, bubble),
    reactions.element,
    thread.element,
    failure,
    readers,
  );
  const element = h('li', { class: 'message', tabindex: -1 }, body);
  // On touch devices a tap shows the toolbar, as hovering does elsewhere.
  on(bubble, 'click', () => {
    if (window.matchMedia('(hover: none)').matches) element.focus({ preventScroll: true });
  });
  let held: MessageRowData | undefined;
  let heldContent: string | undefined;

  return {
    element,
    dispose() {
      quote.dispose();
      files.dispose();
    },
    update(row) {
      const { message, first, last } = row;
      if (held !== undefined && isSame(held, row)) return;
      held = row;
      toolbar.set(element, message);
      const isOwn = message.senderId === userId;
      const isDeleted = message.deletedAt !== undefined;
      const isPlain = isNotice(message);
      // No status for an undecrypted message: its delivery state is not meaningful here.
      const isSealed = message.undecrypted !== undefined;
      setAttributes(element, {
        'data-own': isOwn,
        'data-first': first,
        'data-last': last,
        'data-notice': isPlain,
        'data-deleted': isDeleted,
        'data-status': isOwn && !isSealed ? message.status : undefined,
        'data-message-id': message.id,
      });
      if (picture.childElementCount === 0 && !isOwn) picture.append(personAvatar(message.senderId, 'small'));
      if (isOwn) setText(sender, 'You');
      else showName(sender, message.senderId);
      sender.dataset['shown'] = String(first && !isOwn && !isPlain);
      forwarded.hidden = message.forwardedFrom === undefined || isDeleted;
      quote.update(isDeleted ? undefined : message.replyTo);
      const key = `${isDeleted} ${message.deletionUnauthenticated} ${message.type} ${message.encrypted} ${message.undecrypted} ${filesOf(message)[0]?.fileName} ${message.mentions?.join()} ${message.content}`;
      if (key !== heldContent) {
        heldContent = key;
        setChildren(content, ...contentOf(session, message));
        setAttributes(bubble, { 'data-emoji': content.querySelector('.emoji-only') !== null });
      }
      collapsed.update(message);
      files.update(message);
      setAttributes(bubble, { 'data-files': !files.element.hidden });
      pinned.hidden = message.pinned === undefined || isDeleted;
      lock.hidden = message.encrypted !== true || isDeleted;
      edited.hidden = message.updatedAt === undefined || isDeleted;
      setText(time, timeOfDay(message.createdAt));
      setAttributes(time, { datetime: message.createdAt, title: exactTime(message.createdAt) });
      statusMark.update(message.status);
      setChildren(status, isOwn && !isDeleted && !isPlain && !isSealed && statusMark.element);
      reactions.update(message);
      thread.update(message, row.threadUnread);
      showFailure(failure, message, session, commands);
      showReaders(readers, row.readers);
    },
  };
}

/** Stands for the message of a person whom the user has blocked, until the user asks for it. */
function collapsedNote(bubble: HTMLElement): { element: HTMLElement; update(message: Message): void } {
  let isRevealed = false;
  const show = button({ label: 'Show', class: 'button-link' }, () => {
    isRevealed = true;
    element.hidden = true;
    bubble.hidden = false;
  });
  const element = h('div', { class: 'message-blocked', hidden: true }, 'Message of a person you have blocked', show);
  return {
    element,
    update({ fromBlocked }) {
      element.hidden = fromBlocked !== true || isRevealed;
      bubble.hidden = !element.hidden;
    },
  };
}

function isSame(one: MessageRowData, other: MessageRowData): boolean {
  return (
    one.message === other.message &&
    one.first === other.first &&
    one.last === other.last &&
    one.threadUnread === other.threadUnread &&
    one.readers.join() === other.readers.join()
  );
}

function showFailure(element: HTMLElement, message: Message, { refusals }: Session, commands: MessageCommands): void {
  const isFailed = message.status === 'failed' && message.undecrypted === undefined;
  if (element.hidden === !isFailed) return;
  element.hidden = !isFailed;
  if (!isFailed) return setChildren(element);
  const reason = refusals.get(message.clientId ?? '');
  setChildren(
    element,
    h('span', {}, reason === undefined ? 'Not sent' : `Not sent: ${reason}`),
    button({ label: 'Retry', class: 'button-link' }, () => commands.retry(message)),
    // The text can be edited, but the files would be lost.
    filesOf(message).length === 0 && button({ label: 'Edit', class: 'button-link' }, () => commands.rewrite(message)),
    button({ label: 'Discard', class: 'button-link' }, () => commands.discard(message)),
  );
}

const MOST_READERS = 5;

function showReaders(element: HTMLElement, readers: readonly string[]): void {
  element.hidden = readers.length === 0;
  const names = readers.map(nameOf);
  const label = `Read by ${listNames(names, MOST_READERS)}`;
  setAttributes(element, { title: label });
  const pictures = readers.slice(0, MOST_READERS).map((each) => personAvatar(each, 'small'));
  const more = names.length > MOST_READERS && h('span', { 'aria-hidden': 'true' }, `+${names.length - MOST_READERS}`);
  setChildren(element, hiddenText(names.length === 0 ? '' : label), ...pictures, more);
}
