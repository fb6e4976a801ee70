import { FRAME_FAULTS, STALL_MS, type FaultyConnection, type FrameFault } from '../app/faulty-connection.ts';
import type { Session } from '../app/session.ts';
import { h, on, setAttributes, setText } from '../lib/dom.ts';
import { watch } from '../lib/watch.ts';
import { button } from '../ui/button.ts';

const DESCRIPTIONS: Readonly<Record<FrameFault, readonly [name: string, description: string]>> = {
  drop: ['Drop', 'the frame is lost'],
  duplicate: ['Duplicate', 'the frame arrives twice'],
  delay: ['Delay', 'up to 0.8 s'],
  reorder: ['Reorder', 'the next frame arrives first'],
};
/** Percent. A frame has at most one fault, so four sliders at their maximum affect every frame. */
const MAX_PERCENT = 25;
const REFRESH_MS = 300;

/** Injects faults into the page's connection and kills the server. */
export function faultsPanel({ connection, outbox }: Session, signal: AbortSignal): HTMLElement {
  const message = h('p', { class: 'faults-message muted', role: 'status' });
  const say = (text: string): void => setText(message, text);
  const statistics = STATISTICS.map(([name, value]) => ({ name, value, element: h('dd', {}) }));
  const render = (): void => {
    for (const { value, element } of statistics)
      setText(element, String(value(connection, outbox.waiting.value.length)));
  };
  const timer = setInterval(watch([outbox.waiting.subscribe], render, signal), REFRESH_MS);
  signal.addEventListener('abort', () => clearInterval(timer));
  return h(
    'div',
    { class: 'faults-panel' },
    h(
      'fieldset',
      { class: 'faults-list' },
      h('legend', { class: 'section-title' }, 'Frame faults'),
      ...FRAME_FAULTS.map((fault) => slider(connection, fault, signal)),
    ),
    h(
      'section',
      { class: 'faults-actions', 'aria-label': 'Connection and server' },
      h('h2', { class: 'section-title' }, 'Connection and server'),
      h('div', { class: 'faults-buttons' }, ...buttons(connection, say)),
      message,
    ),
    h(
      'section',
      { 'aria-label': 'Statistics' },
      h('h2', { class: 'section-title' }, 'Since the page was opened'),
      h('dl', { class: 'facts' }, ...statistics.flatMap(({ name, element }) => [h('dt', {}, name), element])),
    ),
  );
}

const STATISTICS: readonly [name: string, value: (connection: FaultyConnection, waiting: number) => number][] = [
  ['Frames with a fault', ({ stats: { faults } }) => FRAME_FAULTS.reduce((sum, fault) => sum + faults[fault], 0)],
  ['Reconnects', ({ stats }) => stats.reconnects],
  ['Messages in the outbox', (_connection, waiting) => waiting],
  ['Messages sent', ({ stats }) => stats.sent],
  ['Messages resent', ({ stats }) => stats.resent],
  ['Messages stored', ({ stats }) => stats.stored],
];

function slider(connection: FaultyConnection, fault: FrameFault, signal: AbortSignal): HTMLElement {
  const [name, description] = DESCRIPTIONS[fault];
  const id = `faults-${fault}`;
  const input = h('input', {
    type: 'range',
    id,
    class: 'slider',
    min: 0,
    max: MAX_PERCENT,
    step: 5,
    'aria-describedby': `${id}-description`,
  });
  const output = h('output', { for: id, class: 'faults-rate' });
  on(input, 'input', () => connection.set(fault, input.valueAsNumber / 100));
  watch(
    [connection.rates.subscribe],
    () => {
      const percent = Math.round(connection.rates.value[fault] * 100);
      const words = percent === 0 ? 'off' : `${percent} %`;
      if (input.valueAsNumber !== percent) input.value = String(percent);
      setAttributes(input, { 'aria-valuetext': words });
      setAttributes(output, { 'data-on': percent > 0 });
      setText(output, words);
    },
    signal,
  );
  return h(
    'div',
    { class: 'faults-item' },
    h('label', { for: id }, name),
    input,
    output,
    h('span', { class: 'muted faults-description', id: `${id}-description` }, description),
  );
}

function buttons(connection: FaultyConnection, say: (text: string) => void): HTMLButtonElement[] {
  const small = 'button-small';
  return [
    button({ label: 'Cut connection', class: small }, () => {
      connection.cut();
      say('The connection is closed, and the client was notified.');
    }),
    button({ label: 'Stall connection', class: small }, () => {
      connection.stall();
      say(`The connection is stalled: no frames pass, and the client notices after ${STALL_MS / 1_000} seconds.`);
    }),
    button({ label: 'Kill server', class: `${small} button-danger` }, () => {
      void killServer().then(say);
    }),
    button({ label: 'Remove faults', icon: 'check', class: `${small} button-primary` }, () => {
      connection.clear();
      say('All faults are removed.');
    }),
  ];
}

async function killServer(): Promise<string> {
  try {
    const { ok, status } = await fetch('/playground/kill', { method: 'POST' });
    return ok
      ? 'The server process was killed. It restarts in a moment.'
      : `The server cannot be killed from this page (${status}).`;
  } catch {
    return 'The server does not respond; it may already be stopped.';
  }
}
