import type { ConnectionSnapshot, Guarantees } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { h, setText } from '../lib/dom.ts';
import { icon } from '../lib/icons.ts';
import { count } from '../lib/format.ts';
import { watch } from '../lib/watch.ts';
import { button } from '../ui/button.ts';

const GUARANTEES: readonly [keyof Guarantees, string][] = [
  ['acknowledged', 'Every request is answered'],
  ['exactlyOnce', 'A message that is sent again is stored once'],
  ['gapFree', 'Missed changes are detected and fetched'],
  ['editsOnResume', 'This includes edits, deletions and reactions'],
  ['completeHistory', 'All messages can be read and searched'],
];

/** Shows the connection status, the server's guarantees and the number of queued messages. */
export function connectionPanel({ client, userId, outbox }: Session, signal: AbortSignal): HTMLElement {
  const status = h('dd', {});
  const attempt = h('dd', {});
  const reason = h('dd', {});
  const waiting = h('dd', {});
  const guarantees = h('ul', { class: 'guarantees', 'aria-label': 'Guarantees' });
  const toggle = button({ label: 'Disconnect', icon: 'plug', class: 'button-small' }, () => {
    const change = client.status === 'disconnected' ? client.connect() : client.disconnect();
    change.catch(() => undefined);
  });
  const label = h('span', {}, 'Disconnect');
  toggle.replaceChildren(icon('plug', 18), label);
  const render = watch(
    [client.connection.subscribe, outbox.waiting.subscribe],
    () => {
      const connection = client.connection.getSnapshot();
      setText(status, connection.status);
      setText(attempt, attemptText(connection));
      setText(reason, reasonText(connection));
      setText(waiting, count(outbox.waiting.value.length, 'message', 'messages'));
      setText(label, client.status === 'disconnected' ? 'Connect' : 'Disconnect');
      guarantees.replaceChildren(
        ...GUARANTEES.map(([name, words]) => {
          const holds = client.guarantees[name];
          const mark = h(
            'span',
            { class: 'guarantee-mark', role: 'img', 'aria-label': holds ? 'Yes' : 'No' },
            icon(holds ? 'check' : 'close', 16),
          );
          return h('li', { 'data-holds': holds }, mark, h('code', {}, name), h('span', { class: 'muted' }, words));
        }),
      );
    },
    signal,
  );
  // The countdown to the next attempt.
  const timer = window.setInterval(render, 1_000);
  signal.addEventListener('abort', () => clearInterval(timer), { once: true });
  return h(
    'div',
    { class: 'connection-panel' },
    h(
      'dl',
      { class: 'facts' },
      h('dt', {}, 'User'),
      h('dd', {}, userId),
      h('dt', {}, 'Status'),
      status,
      h('dt', {}, 'Attempt'),
      attempt,
      h('dt', {}, 'Last error'),
      reason,
      h('dt', {}, 'Outbox'),
      waiting,
    ),
    toggle,
    h('section', {}, h('h2', { class: 'section-title' }, 'Guarantees of this server'), guarantees),
  );
}

function attemptText({ attempt, nextRetryAt }: ConnectionSnapshot): string {
  if (attempt === 0 && nextRetryAt === undefined) return 'None';
  if (nextRetryAt === undefined) return String(attempt);
  return `${attempt}, next in ${Math.max(0, Math.ceil((nextRetryAt - Date.now()) / 1_000))} s`;
}

function reasonText({ lastError }: ConnectionSnapshot): string {
  if (lastError === undefined) return 'None';
  const { reason, code, message, fix = '' } = lastError;
  return `${reason ?? code}: ${message}. ${fix}`;
}
