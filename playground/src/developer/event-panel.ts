import type { LoggedEvent } from '../app/event-log.ts';
import type { Session } from '../app/session.ts';
import { h, on, setAttributes, setText } from '../lib/dom.ts';
import { count, preciseTime } from '../lib/format.ts';
import { KeyedList, type ItemView } from '../lib/keyed-list.ts';
import { Cell, watch } from '../lib/watch.ts';
import { button } from '../ui/button.ts';

/** Shows the client's events, newest first. */
export function eventPanel({ log }: Session, signal: AbortSignal): HTMLElement {
  const filter = new Cell('');
  const input = h('input', {
    class: 'field field-small',
    type: 'search',
    'aria-label': 'Filter events',
    placeholder: 'Filter by event name or payload',
    spellcheck: 'false',
  });
  on(input, 'input', () => filter.set(input.value.trim().toLowerCase()));
  const pause = button({ label: 'Pause', class: 'button-small' }, () => log.paused.set(!log.paused.value));
  const clear = button({ label: 'Clear', class: 'button-small' }, () => log.clear());
  const total = h('span', { class: 'muted drawer-count' });
  const rows = h('ol', { class: 'events', reversed: true, 'aria-label': 'Events' });
  const nothing = h('p', { class: 'muted drawer-nothing' }, 'No events yet.');
  const list = new KeyedList<LoggedEvent>(rows, ({ number }) => String(number), eventRow);
  watch(
    [log.entries.subscribe, log.paused.subscribe, filter.subscribe],
    () => {
      const entries = log.entries.value;
      const shown = filter.value === '' ? entries : entries.filter((entry) => matches(entry, filter.value));
      list.render(shown);
      nothing.hidden = shown.length > 0;
      setText(pause, log.paused.value ? 'Resume' : 'Pause');
      setAttributes(pause, { 'aria-pressed': String(log.paused.value) });
      setText(
        total,
        shown.length === entries.length
          ? count(entries.length, 'event', 'events')
          : `${shown.length} of ${entries.length}`,
      );
    },
    signal,
  );
  return h(
    'div',
    { class: 'event-panel' },
    h('div', { class: 'drawer-tools' }, input, total, pause, clear),
    h('div', { class: 'drawer-scroller' }, rows, nothing),
  );
}

function matches({ name, payload }: LoggedEvent, words: string): boolean {
  return name.includes(words) || textOf(payload).toLowerCase().includes(words);
}

/** One event; the payload is formatted when the row is expanded. */
function eventRow({ at, name, payload }: LoggedEvent): ItemView<LoggedEvent> {
  const summary = h(
    'summary',
    {},
    h('time', {}, preciseTime(at)),
    h('code', { class: 'event-name', 'data-kind': name.split(':')[0] }, name),
    h('code', { class: 'event-line' }, textOf(payload).slice(0, 300)),
  );
  const details = h('details', {}, summary);
  on(details, 'toggle', () => {
    if (details.open && details.childElementCount === 1) details.append(h('pre', {}, textOf(payload, 2)));
  });
  return { element: h('li', {}, details), update: () => undefined };
}

function textOf(payload: unknown, indent?: number): string {
  if (payload instanceof Error)
    return `${payload.name}: ${payload.message} ${JSON.stringify(payload, undefined, indent)}`;
  return JSON.stringify(payload, errorsAsObjects, indent) ?? String(payload);
}

function errorsAsObjects(_key: string, value: unknown): unknown {
  return value instanceof Error ? { ...Object.fromEntries(Object.entries(value)), message: value.message } : value;
}
