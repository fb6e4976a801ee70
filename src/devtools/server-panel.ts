import { isCommError } from '../protocol/errors.ts';
import type { Message } from '../protocol/messages.ts';
import { create, createButton } from './dom.ts';
import type { PanelContext } from './panel.ts';
import { formatPayload } from './redact.ts';

/** Messages that are shown. */
const LIMIT = 20;

/** The newest messages of a conversation, as the client has decrypted them and as the server has stored them. */
export function createServerPanel({ client, parts, options, signal }: PanelContext): HTMLElement {
  const select = create('select', { 'aria-label': 'Conversation' });
  const rows = create('tbody');
  const headings = ['You see', 'The server sees'].map((text) => create('th', { scope: 'col' }, text));
  const table = create('table', { class: 'seen' }, create('thead', {}, create('tr', {}, ...headings)), rows);
  const note = create('p', { class: 'soft', role: 'status' });
  let fetching = new AbortController();

  const readStored = async (conversationId: string, until: AbortSignal): Promise<unknown> => {
    const { rest } = await parts.reader();
    return rest.ask('listMessages', { id: conversationId, query: { limit: LIMIT }, isPlain: true, signal: until });
  };
  const load = async (id: string): Promise<void> => {
    fetching.abort();
    const request = (fetching = new AbortController());
    try {
      const [stored, page] = await Promise.all([
        readStored(id, request.signal),
        client.messages.list({ conversationId: id, limit: LIMIT }, { signal: request.signal }),
      ]);
      if (request.signal.aborted) return;
      const seen = new Map(page.messages.map((message) => [message.id, message]));
      const list = Array.isArray(stored) ? (stored as { readonly id?: unknown }[]) : [];
      rows.replaceChildren(...list.map((each) => createRow(each, seen.get(String(each.id)))));
      note.textContent = list.length === 0 ? 'No messages yet.' : '';
    } catch (error) {
      if (request.signal.aborted) return;
      note.textContent = `The server did not answer: ${isCommError(error) ? error.message : String(error)}`;
    }
  };
  const reload = (): void => {
    if (select.value !== '') return void load(select.value);
    rows.replaceChildren();
    note.textContent = 'Open a conversation to see its messages here.';
  };
  /** @param id - the conversation to select; without it the selected one stays */
  const list = (id?: string): void => {
    const selected = id ?? select.value;
    const { conversations } = client.conversations.inbox.getSnapshot();
    const names = new Map(conversations.map((each) => [each.id, each.name ?? each.id]));
    if (id !== undefined && !names.has(id)) names.set(id, id);
    if (id === undefined && select.options.length === names.size) return;
    select.replaceChildren(...Array.from(names, ([value, name]) => create('option', { value }, name)));
    if (names.has(selected)) select.value = selected;
    reload();
  };
  const { conversation } = options;
  const showOpen = (): void => list(conversation?.getSnapshot() ?? parts.views.ids()[0]);
  const stops = [client.conversations.inbox.subscribe(() => list()), conversation?.subscribe(showOpen)];
  for (const name of ['message:new', 'message:updated', 'message:deleted'] as const) {
    client.on(name, ({ conversationId }) => conversationId === select.value && reload(), { signal });
  }
  select.addEventListener('change', reload);
  signal.addEventListener('abort', () => {
    fetching.abort();
    for (const stop of stops) stop?.();
  });
  showOpen();
  return create(
    'div',
    {},
    create('div', { class: 'tools' }, select, createButton('Refresh', reload)),
    create('div', { class: 'rows' }, table, note),
  );
}

function createRow(stored: unknown, seen: Message | undefined): HTMLElement {
  const who = seen === undefined ? 'Not loaded here' : `${seen.senderId}, ${seen.createdAt}`;
  return create(
    'tr',
    {},
    create(
      'td',
      {},
      create('span', { class: 'soft' }, who),
      create('span', { class: 'words', dir: 'auto' }, seen?.content ?? ''),
    ),
    create('td', {}, create('pre', {}, formatPayload(stored, 1))),
  );
}
