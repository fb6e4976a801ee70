import type { ConversationView, Message } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { h } from '../lib/dom.ts';
import { exactTime } from '../lib/format.ts';
import { nameOf } from '../lib/people.ts';
import { watch } from '../lib/watch.ts';
import { personAvatar } from '../ui/avatar.ts';
import { openDialog } from '../ui/dialog.ts';

/** Shows who has read a message and when, and to whom it was delivered. Updates while it is open. */
export function showReaders(session: Session, view: ConversationView, message: Message): void {
  const dialog = openDialog('Read by');
  watch(
    [view.subscribe],
    () => {
      const { messages, conversation } = view.getSnapshot();
      const current = messages.find(({ id }) => id === message.id) ?? message;
      const others = (conversation?.participants ?? []).filter(
        ({ userId }) => userId !== current.senderId && userId !== session.userId,
      );
      const rows = others.map((each) => {
        const { userId } = each;
        const readAt = current.readBy.find((reader) => reader.userId === userId)?.readAt;
        const seq = current.seq ?? Infinity;
        const isRead = readAt !== undefined || (each.lastReadSeq ?? 0) >= seq;
        const state = isRead
          ? readAt
            ? exactTime(readAt)
            : 'Read'
          : (each.lastDeliveredSeq ?? 0) >= seq
            ? 'Delivered'
            : 'Not delivered yet';
        const name = nameOf(userId);
        return h(
          'li',
          { class: 'person-line' },
          personAvatar(userId),
          h('span', { class: 'person-text' }, h('strong', {}, name), h('span', { class: 'muted' }, state)),
        );
      });
      dialog.body.replaceChildren(
        rows.length === 0
          ? h('p', { class: 'muted' }, 'This chat has no other members.')
          : h('ul', { class: 'people' }, ...rows),
      );
    },
    dialog.signal,
  );
}
