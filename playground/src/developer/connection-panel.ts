import type { Guarantees } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { h, setText } from '../lib/dom.ts';
import { icon } from '../lib/icons.ts';
import { count } from '../lib/format.ts';
import { watch } from '../lib/watch.ts';
import { button } from '../ui/button.ts';

const GUARANTEES: readonly [keyof Guarantees, string][] = [
  ['acknowledged', 'Every request is answered'],
  ['exactlyOnce', 'Sending twice is sending once'],
  ['gapFree', 'What was missed is noticed and fetched'],
  ['editsOnResume', 'So are edits, deletions and reactions made while away'],
];

/** How the line is, what the server at its other end promises, and what waits to be sent. */
export function connectionPanel({ client, userId, outbox }: Session, signal: AbortSignal): HTMLElement {
  const status = h('dd', {});
  const waiting = h('dd', {});
  const guarantees = h('ul', { class: 'guarantees', 'aria-label': 'Guarantees' });
  const toggle = button({ label: 'Disconnect', icon: 'plug', class: 'button-small' }, () => {
    const change = client.status === 'disconnected' ? client.connect() : client.disconnect();
    change.catch(() => undefined);
  });
  const label = h('span', {}, 'Disconnect');
  toggle.replaceChildren(icon('plug', 18), label);
  const onStatus = (listener: () => void): (() => void) => client.on('status', listener);
  watch(
    [onStatus, outbox.waiting.subscribe],
    () => {
      setText(status, client.status);
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
      h('dt', {}, 'Outbox'),
      waiting,
    ),
    toggle,
    h('section', {}, h('h3', { class: 'section-title' }, 'Guarantees of this server'), guarantees),
  );
}
