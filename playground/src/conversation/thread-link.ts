import type { Message } from 'lumen-comm';
import { h, hiddenText, on, setChildren } from '../lib/dom.ts';
import { count, exactTime, listTime } from '../lib/format.ts';
import { icon } from '../lib/icons.ts';
import { personAvatar } from '../ui/avatar.ts';

const MOST_PICTURES = 3;

export interface ThreadLink {
  readonly element: HTMLElement;
  /** @param isUnread - whether the user has not read all replies */
  update(message: Message, isUnread: boolean): void;
}

/** The number of replies to a message, or the note that a message is a reply too. A click opens the thread. */
export function threadLink(open: ((messageId: string) => void) | undefined): ThreadLink {
  const element = h('button', { type: 'button', class: 'thread-link', hidden: true });
  let rootId = '';
  let shown = '';
  on(element, 'click', () => open?.(rootId));
  return {
    element,
    update({ id, thread, threadId, deletedAt }, isUnread) {
      const replies = thread?.replyCount ?? 0;
      // The replies to a deleted message stay reachable.
      element.hidden = open === undefined || (replies === 0 && (threadId === undefined || deletedAt !== undefined));
      if (element.hidden) return;
      rootId = threadId ?? id;
      const key = JSON.stringify([thread, threadId, isUnread]);
      if (key === shown) return;
      shown = key;
      if (thread === undefined || replies === 0) return setChildren(element, icon('thread', 15), 'Reply in a thread');
      const { participantIds, lastReplyAt } = thread;
      const pictures = participantIds.slice(0, MOST_PICTURES).map((each) => personAvatar(each, 'small'));
      setChildren(
        element,
        h('span', { class: 'thread-people' }, ...pictures),
        h('strong', {}, count(replies, 'reply', 'replies')),
        h('time', { datetime: lastReplyAt, title: exactTime(lastReplyAt) }, listTime(lastReplyAt)),
        isUnread && h('span', { class: 'unread-dot', title: 'Unread replies' }, hiddenText('Unread replies')),
      );
    },
  };
}
