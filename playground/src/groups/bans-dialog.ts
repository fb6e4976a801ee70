import type { Conversation } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { h, setChildren } from '../lib/dom.ts';
import { fullDate } from '../lib/format.ts';
import { nameOf } from '../lib/people.ts';
import { personAvatar } from '../ui/avatar.ts';
import { button } from '../ui/button.ts';
import { openDialog } from '../ui/dialog.ts';
import { attempt } from '../ui/toast.ts';

/** Shows the people who are banned from a group, for its owner and admins. */
export function showBans({ client }: Session, { id }: Conversation): void {
  const { conversations } = client;
  const note = h('p', { class: 'muted', role: 'status' }, 'Loading…');
  const rows = h('ul', { class: 'people', 'aria-label': 'Banned people' });
  const dialog = openDialog('Banned people', note, rows);
  const load = async (): Promise<void> => {
    const loading = conversations.bans(id, {}, { signal: dialog.signal });
    const page = await attempt('The list could not be loaded', loading, dialog.signal);
    const bans = page?.bans ?? [];
    note.hidden = bans.length > 0;
    setChildren(note, page === undefined ? 'The list could not be loaded.' : 'No one is banned from this group.');
    setChildren(
      rows,
      ...bans.map(({ userId, bannedBy, bannedAt }) =>
        h(
          'li',
          { class: 'person-line' },
          personAvatar(userId),
          h(
            'span',
            { class: 'person-text' },
            h('strong', {}, nameOf(userId)),
            h('span', { class: 'muted' }, `By ${nameOf(bannedBy)} on ${fullDate(bannedAt)}`),
          ),
          button(
            {
              label: 'Lift ban',
              class: 'button-small',
              attributes: { 'aria-label': `Lift ban of ${nameOf(userId)}` },
            },
            () => {
              const lifting = conversations.ban(id, userId, false);
              void attempt('The ban was not lifted', lifting, dialog.signal).then(load);
            },
          ),
        ),
      ),
    );
  };
  void load();
}
