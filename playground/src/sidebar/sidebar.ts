import type { Session } from '../app/session.ts';
import { h } from '../lib/dom.ts';
import { Cell } from '../lib/watch.ts';
import { iconButton } from '../ui/button.ts';
import { openPanel } from '../ui/toast.ts';
import { conversationList } from './conversation-list.ts';
import { newChat } from './new-chat.ts';
import { profileButton } from './profile.ts';
import { searchField } from './search-field.ts';
import { searchResults } from './search-results.ts';

/** The sidebar: profile, search and conversations. */
export function sidebar(session: Session, actions: { toggleDrawer: () => void }): HTMLElement {
  const query = new Cell('');
  const field = searchField(query);
  const create = iconButton({ label: 'New chat', icon: 'edit', class: 'accent' }, () => newChat(session));
  const browsing = async (): Promise<void> => {
    const { browseGroups } = await import('../groups/browse-dialog.ts');
    browseGroups(session);
  };
  const browse = iconButton({ label: 'Public groups', icon: 'globe' }, () => void openPanel(browsing(), 'The groups'));
  const list = conversationList(session, { query, newChat: () => newChat(session) });
  const results = searchResults(session, query);
  return h(
    'section',
    { class: 'sidebar', 'aria-label': 'Conversations' },
    h('header', { class: 'sidebar-header' }, profileButton(session, actions), browse, create),
    field,
    h('div', { class: 'sidebar-scroller' }, list, results),
  );
}
