import type { Session } from '../app/session.ts';
import { h, setChildren } from '../lib/dom.ts';
import { nameOf } from '../lib/people.ts';
import { watch } from '../lib/watch.ts';
import { personAvatar } from '../ui/avatar.ts';
import { button } from '../ui/button.ts';
import { openDialog } from '../ui/dialog.ts';

/** Shows the people whom this user has blocked. */
export function showBlocked({ blocks }: Session): void {
  const note = h('p', { class: 'muted' }, 'You have blocked no one.');
  const rows = h('ul', { class: 'people', 'aria-label': 'Blocked people' });
  const dialog = openDialog('Blocked people', note, rows);
  blocks.refresh();
  watch(
    [blocks.blocked.subscribe],
    () => {
      const ids = [...blocks.blocked.value];
      note.hidden = ids.length > 0;
      setChildren(
        rows,
        ...ids.map((id) =>
          h(
            'li',
            { class: 'person-line' },
            personAvatar(id),
            h('span', { class: 'person-text' }, h('strong', {}, nameOf(id))),
            button(
              { label: 'Unblock', class: 'button-small', attributes: { 'aria-label': `Unblock ${nameOf(id)}` } },
              () => void blocks.set(id, false),
            ),
          ),
        ),
      );
    },
    dialog.signal,
  );
}
