import { isCommError, type Message } from 'lumen-comm';
import { DEFAULT_REST_PATH } from 'lumen-comm/protocol';
import type { Session } from '../app/session.ts';
import { h, setChildren, setText } from '../lib/dom.ts';
import { timeOfDay } from '../lib/format.ts';
import { isUnreadable, nameOf, titleOf } from '../lib/people.ts';
import { childAbort, watch } from '../lib/watch.ts';
import { button } from '../ui/button.ts';

const MOST = 20;
const EVENTS = ['message:new', 'message:updated', 'message:deleted'] as const;

/** Shows the newest messages of the open chat, as decrypted by the client and as stored by the server. */
export function serverPanel(session: Session, signal: AbortSignal): HTMLElement {
  const { client, route, userId } = session;
  const title = h('span', { class: 'muted drawer-count' });
  const rows = h('tbody', {});
  const table = h(
    'table',
    { class: 'seen' },
    h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, 'You see'), h('th', { scope: 'col' }, 'The server sees'))),
    rows,
  );
  const nothing = h('p', { class: 'muted drawer-nothing', role: 'status' });
  let fetching = childAbort(signal);
  const show = async (): Promise<void> => {
    fetching.abort();
    fetching = childAbort(signal);
    const { conversationId } = route.place.value;
    table.hidden = true;
    if (conversationId === undefined) return setText(nothing, 'Open a chat to see its messages here.');
    const conversations = client.conversations.inbox.getSnapshot().conversations;
    const conversation = conversations.find(({ id }) => id === conversationId);
    setText(title, conversation === undefined ? '' : `Chat: ${titleOf(conversation, userId)}`);
    try {
      const [stored, page] = await Promise.all([
        storedMessages(conversationId, userId, fetching.signal),
        client.messages.list({ conversationId, limit: MOST }, { signal: fetching.signal }),
      ]);
      const seen = new Map(page.messages.map((message) => [message.id, message]));
      setChildren(rows, ...stored.map((each) => row(each, seen.get(String(each['id'])))));
      table.hidden = stored.length === 0;
      setText(nothing, stored.length === 0 ? 'No messages yet.' : '');
    } catch (error) {
      if (!fetching.signal.aborted)
        setText(nothing, `The server did not answer: ${isCommError(error) ? error.message : String(error)}`);
    }
  };
  const again = button({ label: 'Refresh', icon: 'retry', class: 'button-small' }, () => void show());
  watch(
    [route.place.subscribe, ...EVENTS.map((name) => (listener: () => void) => client.on(name, listener))],
    () => void show(),
    signal,
  );
  return h(
    'div',
    { class: 'event-panel' },
    h('div', { class: 'drawer-tools' }, title, again),
    h('div', { class: 'drawer-scroller' }, table, nothing),
  );
}

/** Fetches the stored rows without the client, which would decrypt them. Newest first. */
async function storedMessages(
  conversationId: string,
  userId: string,
  signal: AbortSignal,
): Promise<Record<string, unknown>[]> {
  const path = `${DEFAULT_REST_PATH}/conversations/${encodeURIComponent(conversationId)}/messages?limit=${MOST}`;
  const answer = await fetch(path, { headers: { 'x-user-id': userId }, signal });
  if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
  return (await answer.json()) as Record<string, unknown>[];
}

function row(stored: Record<string, unknown>, seen: Message | undefined): HTMLElement {
  const words = seen === undefined ? '' : isUnreadable(seen) ? 'cannot be decrypted here' : seen.content;
  const who = seen === undefined ? 'Not loaded here' : `${nameOf(seen.senderId)}, ${timeOfDay(seen.createdAt)}`;
  return h(
    'tr',
    { 'data-encrypted': seen?.encrypted === true },
    h('td', {}, h('span', { class: 'muted' }, who), h('span', { class: 'seen-words', dir: 'auto' }, words)),
    h('td', {}, h('pre', {}, JSON.stringify(stored, undefined, 1))),
  );
}
