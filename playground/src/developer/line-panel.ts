import { DEAD_MS, FRAME_FAULTS, type FrameFault, type Line } from '../app/line.ts';
import type { Session } from '../app/session.ts';
import { h, on, setAttributes, setText } from '../lib/dom.ts';
import { watch } from '../lib/watch.ts';
import { button } from '../ui/button.ts';

const WORDS: Readonly<Record<FrameFault, readonly [name: string, what: string]>> = {
  drop: ['Drop', 'never arrives'],
  duplicate: ['Duplicate', 'arrives twice'],
  delay: ['Delay', 'arrives up to 0.8 s late'],
  reorder: ['Reorder', 'the next one arrives first'],
};
/** In percent. A frame has one fault at most: at their ends, the four sliders leave none whole. */
const MOST = 25;
const FIGURES_EVERY_MS = 300;

/** Breaks the page's connection and the server, so that a person can see what holds. */
export function linePanel({ line, outbox }: Session, signal: AbortSignal): HTMLElement {
  const said = h('p', { class: 'line-said muted', role: 'status' });
  const say = (text: string): void => setText(said, text);
  const figures = FIGURES.map(([name, value]) => ({ name, value, element: h('dd', {}) }));
  const render = (): void => {
    for (const { value, element } of figures) setText(element, String(value(line, outbox.waiting.value.length)));
  };
  const timer = setInterval(watch([outbox.waiting.subscribe], render, signal), FIGURES_EVERY_MS);
  signal.addEventListener('abort', () => clearInterval(timer));
  return h(
    'div',
    { class: 'line-panel' },
    h(
      'fieldset',
      { class: 'line-faults' },
      h('legend', { class: 'section-title' }, 'What happens to frames'),
      ...FRAME_FAULTS.map((fault) => slider(line, fault, signal)),
    ),
    h(
      'section',
      { class: 'line-actions', 'aria-label': 'Break and heal' },
      h('h3', { class: 'section-title' }, 'Break and heal'),
      h('div', { class: 'line-buttons' }, ...buttons(line, say)),
      said,
    ),
    h(
      'section',
      { 'aria-label': 'Figures' },
      h('h3', { class: 'section-title' }, 'Since this page was opened'),
      h('dl', { class: 'facts' }, ...figures.flatMap(({ name, element }) => [h('dt', {}, name), element])),
    ),
  );
}

const FIGURES: readonly [name: string, value: (line: Line, waiting: number) => number][] = [
  ['Frames with a fault', ({ figures: { faults } }) => FRAME_FAULTS.reduce((sum, fault) => sum + faults[fault], 0)],
  ['Reconnects', ({ figures }) => figures.reconnects],
  ['Messages in the outbox', (_line, waiting) => waiting],
  ['Messages sent', ({ figures }) => figures.sent],
  ['Sent again', ({ figures }) => figures.resent],
  ['Messages stored', ({ figures }) => figures.stored],
];

function slider(line: Line, fault: FrameFault, signal: AbortSignal): HTMLElement {
  const [name, what] = WORDS[fault];
  const id = `line-${fault}`;
  const input = h('input', {
    type: 'range',
    id,
    class: 'slider',
    min: 0,
    max: MOST,
    step: 5,
    'aria-describedby': `${id}-what`,
  });
  const output = h('output', { for: id, class: 'line-share' });
  on(input, 'input', () => line.set(fault, input.valueAsNumber / 100));
  watch(
    [line.shares.subscribe],
    () => {
      const percent = Math.round(line.shares.value[fault] * 100);
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
    { class: 'line-fault' },
    h('label', { for: id }, name),
    input,
    output,
    h('span', { class: 'muted line-what', id: `${id}-what` }, what),
  );
}

function buttons(line: Line, say: (text: string) => void): HTMLButtonElement[] {
  const small = 'button-small';
  return [
    button({ label: 'Cut the line', class: small }, () => {
      line.cut();
      say('Cut: the connection has ended, and the client knows.');
    }),
    button({ label: 'Let it go dead', class: small }, () => {
      line.goDead();
      say(`Dead: nothing comes through, and nobody notices for ${DEAD_MS / 1_000} seconds.`);
    }),
    button({ label: 'Kill the server', class: `${small} button-danger` }, () => {
      void killServer().then(say);
    }),
    button({ label: 'Heal', icon: 'check', class: `${small} button-primary` }, () => {
      line.heal();
      say('Healed: no more faults.');
    }),
  ];
}

async function killServer(): Promise<string> {
  try {
    const { ok, status } = await fetch('/playground/kill', { method: 'POST' });
    return ok ? 'Killed: its process is gone. It comes back in a moment.' : `It can't be killed from here (${status}).`;
  } catch {
    return 'The server does not answer: it may be dead already.';
  }
}
