import type { ConnectionSnapshot } from '../client/connection/connection-reporter.ts';
import type { Guarantees } from '../client/connection/server-info.ts';
import { create, createButton, createFacts } from './dom.ts';
import { follow, type PanelContext } from './panel.ts';

const GUARANTEES: Readonly<Record<keyof Guarantees, string>> = {
  acknowledged: 'Every request is answered',
  exactlyOnce: 'A message that is sent again is stored once',
  gapFree: 'Missed changes are detected and fetched',
  editsOnResume: 'This includes edits, deletions and reactions',
  completeHistory: 'All messages can be read and searched',
};

/** The state of the connection, the outbox and what the server guarantees. */
export function createConnectionPanel({ client, options, signal }: PanelContext): HTMLElement {
  const { process } = options;
  const facts = createFacts(['User', 'Status', 'Attempt', 'Last error', ...(process ? ['Server process'] : [])]);
  const outbox = create('ul', { class: 'plain', 'aria-label': 'Outbox' });
  const guarantees = create('ul', { class: 'plain', 'aria-label': 'Guarantees' });
  const toggle = createButton('Disconnect', () => {
    const change = client.status === 'disconnected' ? client.connect() : client.disconnect();
    change.catch(() => undefined);
  });
  let pending: unknown;
  const show = (): void => {
    const connection = client.connection.getSnapshot();
    facts.show(
      client.userId ?? 'Unknown',
      connection.status,
      attemptOf(connection),
      errorOf(connection),
      ...(process ? [process.getSnapshot() ?? 'Not connected'] : []),
    );
    toggle.textContent = connection.status === 'disconnected' ? 'Connect' : 'Disconnect';
    guarantees.replaceChildren(
      ...(Object.keys(GUARANTEES) as (keyof Guarantees)[]).map((name) => {
        const holds = client.guarantees[name];
        const mark = create(
          'span',
          { role: 'img', 'aria-label': holds ? 'Yes' : 'No', class: holds ? 'good' : 'bad' },
          holds ? '✓' : '✗',
        );
        return create(
          'li',
          {},
          mark,
          ' ',
          create('code', {}, name),
          ' ',
          create('span', { class: 'soft' }, GUARANTEES[name]),
        );
      }),
    );
    // Rows with buttons stay while nothing changes, so that they keep the focus.
    if (pending === client.messages.outbox.getSnapshot()) return;
    const messages = client.messages.outbox.getSnapshot();
    pending = messages;
    outbox.replaceChildren(
      ...messages.map(({ clientId, status, content, conversationId }) => {
        const failed = status === 'failed';
        const retry = createButton('Retry', () => void client.messages.retry(clientId).catch(() => undefined));
        const discard = createButton('Discard', () => client.messages.discard(clientId));
        const text = `${status} in ${conversationId}: ${content.slice(0, 80)} `;
        return create('li', {}, text, ...(failed ? [retry, ' '] : []), discard);
      }),
    );
    if (messages.length === 0) outbox.append(create('li', { class: 'soft' }, 'Empty'));
  };
  const sources = [
    client.connection.subscribe,
    client.messages.outbox.subscribe,
    ...(process ? [process.subscribe] : []),
  ];
  follow(show, sources, signal);
  return create(
    'div',
    { class: 'columns' },
    create('section', { 'aria-label': 'Connection' }, facts.element, toggle),
    create('section', {}, create('h2', {}, 'Outbox'), outbox),
    create('section', {}, create('h2', {}, 'Guarantees of this server'), guarantees),
  );
}

function attemptOf({ attempt, nextRetryAt }: ConnectionSnapshot): string {
  if (nextRetryAt === undefined) return attempt === 0 ? 'None' : String(attempt);
  return `${attempt}, next in ${Math.max(0, Math.ceil((nextRetryAt - Date.now()) / 1_000))} s`;
}

function errorOf({ lastError }: ConnectionSnapshot): string {
  if (lastError === undefined) return 'None';
  const { reason, code, message, fix = '' } = lastError;
  return `${reason ?? code}: ${message}. ${fix}`;
}
