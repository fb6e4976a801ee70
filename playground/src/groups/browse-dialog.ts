import type { PublicConversation } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { h, on, setChildren } from '../lib/dom.ts';
import { count } from '../lib/format.ts';
import { childAbort } from '../lib/watch.ts';
import { avatar, showGroup } from '../ui/avatar.ts';
import { button } from '../ui/button.ts';
import { openDialog } from '../ui/dialog.ts';
import { attempt } from '../ui/toast.ts';

const PAUSE_MS = 180;

/** Shows the public groups, which everyone can join. */
export function browseGroups({ client, route }: Session): void {
  const input = h('input', {
    class: 'field',
    type: 'search',
    'aria-label': 'Name of the group',
    placeholder: 'Search by name',
    autocomplete: 'off',
    maxlength: 200,
  });
  const note = h('p', { class: 'muted', role: 'status' }, 'Loading…');
  const rows = h('ul', { class: 'people public-groups', 'aria-label': 'Public groups' });
  const dialog = openDialog('Public groups', h('div', { class: 'stack' }, input, note, rows));
  let search = childAbort(dialog.signal);
  const load = async (): Promise<void> => {
    search.abort();
    const { signal } = (search = childAbort(dialog.signal));
    const query = input.value.trim();
    const loading = client.conversations.browse(query === '' ? {} : { query }, { signal });
    const groups = await attempt('The groups could not be loaded', loading, signal);
    if (signal.aborted) return;
    note.hidden = groups !== undefined && groups.length > 0;
    setChildren(note, groups === undefined ? 'The groups could not be loaded.' : 'No public groups found.');
    setChildren(rows, ...(groups ?? []).map(row));
  };
  const enter = async ({ id, joined }: PublicConversation): Promise<void> => {
    if (!joined && (await attempt('Could not join', client.conversations.join(id), dialog.signal)) === undefined)
      return;
    dialog.close();
    route.open(id);
  };
  function row(group: PublicConversation): HTMLElement {
    const { id, name = 'Group', description = '', avatarUrl, memberCount, joined } = group;
    const picture = avatar(name);
    showGroup(picture, id, avatarUrl);
    const label = joined ? 'Open' : 'Join';
    const members = count(memberCount, 'member', 'members');
    return h(
      'li',
      { class: 'person-line' },
      picture,
      h(
        'span',
        { class: 'person-text' },
        h('strong', { dir: 'auto' }, name),
        h('span', { class: 'muted', dir: 'auto' }, description === '' ? members : `${members} · ${description}`),
      ),
      button(
        {
          label,
          class: `button-small${joined ? '' : ' button-primary'}`,
          attributes: { 'aria-label': `${label} ${name}` },
        },
        () => void enter(group),
      ),
    );
  }
  let timer = 0;
  on(input, 'input', () => {
    clearTimeout(timer);
    timer = window.setTimeout(() => void load(), PAUSE_MS);
  });
  void load();
}
