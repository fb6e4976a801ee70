import type { Message } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { h, on, setChildren } from '../lib/dom.ts';
import { exactTime } from '../lib/format.ts';
import { nameOf, summaryOf } from '../lib/people.ts';
import { personAvatar } from '../ui/avatar.ts';
import { iconButton } from '../ui/button.ts';
import { openDialog } from '../ui/dialog.ts';
import { attempt } from '../ui/toast.ts';

/** Shows the pinned messages of a conversation. A click on one jumps to it. */
export function showPins({ client, route, userId }: Session, conversationId: string): void {
  const note = h('p', { class: 'muted', role: 'status' }, 'Loading…');
  const rows = h('ul', { class: 'people pins', 'aria-label': 'Pinned messages' });
  const dialog = openDialog('Pinned messages', note, rows);
  const load = async (): Promise<void> => {
    const loading = client.messages.pinned(conversationId, { signal: dialog.signal });
    const pinned = await attempt('The pinned messages could not be loaded', loading, dialog.signal);
    if (dialog.signal.aborted) return;
    note.hidden = pinned !== undefined && pinned.length > 0;
    setChildren(note, pinned === undefined ? 'The list could not be loaded.' : 'No message is pinned.');
    setChildren(rows, ...(pinned ?? []).map(row));
  };
  function row(message: Message): HTMLElement {
    const sender = message.senderId === userId ? 'You' : nameOf(message.senderId);
    const by = message.pinned === undefined ? '' : `Pinned by ${nameOf(message.pinned.by)}`;
    const open = h(
      'button',
      { type: 'button', class: 'person-link', title: exactTime(message.createdAt) },
      personAvatar(message.senderId),
      h(
        'span',
        { class: 'person-text' },
        h('strong', {}, sender),
        h('span', { dir: 'auto' }, summaryOf(message, userId)),
        h('span', { class: 'muted' }, by),
      ),
    );
    on(open, 'click', () => {
      dialog.close();
      route.open(conversationId, message.id);
    });
    const unpin = iconButton({ label: 'Unpin', icon: 'close' }, () => {
      const request = client.messages.pin({ conversationId, messageId: message.id }, false);
      void attempt('The message was not unpinned', request, dialog.signal).then(load);
    });
    return h('li', { class: 'pin-line' }, open, unpin);
  }
  client.on(
    'message:updated',
    (message) => {
      if (message.conversationId === conversationId) void load();
    },
    { signal: dialog.signal },
  );
  void load();
}
