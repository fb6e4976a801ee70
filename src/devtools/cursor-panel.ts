import { create } from './dom.ts';
import { follow, type PanelContext } from './panel.ts';

/** How far each conversation has been received. */
export function createCursorPanel({ client, parts, signal }: PanelContext): HTMLElement {
  const rows = create('tbody');
  const headings = ['Conversation', 'Messages (seq)', 'Changes (rev)'].map((text) =>
    create('th', { scope: 'col' }, text),
  );
  const nothing = create(
    'p',
    { class: 'soft' },
    'No conversation has been received yet, or the server sends no positions.',
  );
  const table = create('table', {}, create('thead', {}, create('tr', {}, ...headings)), rows);
  let shown = '';
  const show = (): void => {
    const cursors = [...(parts.router.current?.feed.cursors() ?? [])];
    const names = new Map(client.conversations.inbox.getSnapshot().conversations.map(({ id, name }) => [id, name]));
    const cells = cursors.map(([id, { seq, rev }]) => [names.get(id) ?? id, String(seq), String(rev)]);
    const next = JSON.stringify(cells);
    if (next === shown) return;
    shown = next;
    table.hidden = cells.length === 0;
    nothing.hidden = !table.hidden;
    rows.replaceChildren(...cells.map((texts) => create('tr', {}, ...texts.map((text) => create('td', {}, text)))));
  };
  table.hidden = true;
  follow(show, [client.conversations.inbox.subscribe], signal);
  return create('div', { class: 'rows' }, table, nothing);
}
