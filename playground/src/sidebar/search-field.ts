import { h, on } from '../lib/dom.ts';
import { icon } from '../lib/icons.ts';
import type { Cell } from '../lib/watch.ts';
import { iconButton } from '../ui/button.ts';

/** The search input: Escape clears it, Arrow Down moves the focus to the first result. */
export function searchField(query: Cell<string>): HTMLElement {
  const input = h('input', {
    class: 'field search-input',
    type: 'search',
    'aria-label': 'Search chats and messages',
    placeholder: 'Search',
    autocomplete: 'off',
    spellcheck: 'false',
    maxlength: 200,
  });
  const clear = iconButton(
    { label: 'Clear search', icon: 'close', class: 'search-clear', attributes: { hidden: true } },
    () => {
      input.value = '';
      query.set('');
      input.focus();
    },
  );
  on(input, 'input', () => {
    query.set(input.value.trim());
  });
  on(input, 'keydown', (event) => {
    if (event.key === 'Escape' && input.value !== '') {
      event.preventDefault();
      input.value = '';
      query.set('');
    } else if (event.key === 'ArrowDown') {
      event.preventDefault();
      document.querySelector<HTMLElement>('.sidebar-scroller :is(.conversation-row, .search-result)')?.focus();
    }
  });
  query.subscribe(() => {
    clear.hidden = query.value === '';
    if (query.value === '') input.value = '';
  });
  return h('div', { class: 'search-field', role: 'search' }, icon('search', 18), input, clear);
}
