import { create, createButton } from './dom.ts';
import { MAX_EVENTS, type LoggedEvent } from './event-log.ts';
import type { PanelContext } from './panel.ts';
import { formatPayload } from './redact.ts';

/** Longest part of a payload that is shown in one line. */
const MAX_LINE = 300;

/** The events of the client, newest first. */
export function createEventPanel({ log, signal }: PanelContext): HTMLElement {
  const input = create('input', {
    type: 'search',
    'aria-label': 'Filter events',
    placeholder: 'Filter by event name or payload',
    spellcheck: 'false',
  });
  const total = create('span', { class: 'soft' });
  const rows = create('ol', { class: 'events', reversed: true, 'aria-label': 'Events' });
  const nothing = create('p', { class: 'soft' }, 'No events yet.');
  let words = '';
  const matches = ({ name, payload }: LoggedEvent): boolean =>
    words === '' || name.includes(words) || formatPayload(payload).toLowerCase().includes(words);
  const showTotal = (): void => {
    const shown = rows.childElementCount;
    nothing.hidden = shown > 0;
    total.textContent = words === '' ? `${shown} events` : `${shown} of ${log.entries.length}`;
  };
  const showAll = (): void => {
    rows.replaceChildren(...log.entries.filter(matches).map(createRow));
    showTotal();
  };
  const pause = createButton(log.isPaused ? 'Resume' : 'Pause', () => {
    log.isPaused = !log.isPaused;
    pause.textContent = log.isPaused ? 'Resume' : 'Pause';
  });
  const clear = createButton('Clear', () => {
    log.entries = [];
    showAll();
  });
  input.addEventListener('input', () => {
    words = input.value.trim().toLowerCase();
    showAll();
  });
  log.onAdded = (entry) => {
    if (matches(entry)) rows.prepend(createRow(entry));
    if (rows.childElementCount > MAX_EVENTS) rows.lastElementChild?.remove();
    showTotal();
  };
  signal.addEventListener('abort', () => (log.onAdded = undefined));
  showAll();
  return create(
    'div',
    {},
    create('div', { class: 'tools' }, input, total, pause, clear),
    create('div', { class: 'rows' }, rows, nothing),
  );
}

/** One event. Its payload is formatted in full when the row is expanded. */
function createRow({ at, name, payload }: LoggedEvent): HTMLElement {
  const time = new Date(at).toTimeString().slice(0, 8);
  const line = formatPayload(payload).slice(0, MAX_LINE);
  const summary = create(
    'summary',
    {},
    create('time', {}, time),
    create('code', { class: 'name' }, name),
    create('code', { class: 'line' }, line),
  );
  const details = create('details', {}, summary);
  details.addEventListener('toggle', () => {
    if (details.open && details.childElementCount === 1) details.append(create('pre', {}, formatPayload(payload, 2)));
  });
  return create('li', {}, details);
}
