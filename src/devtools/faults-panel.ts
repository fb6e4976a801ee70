import type { FaultySocket } from '../testing/faulty-socket.ts';
import { create, createButton, createFacts } from './dom.ts';
import { follow, type PanelContext } from './panel.ts';

const FRAME_FAULTS = {
  drop: ['Drop', 'the frame is lost'],
  duplicate: ['Duplicate', 'the frame arrives twice'],
  delay: ['Delay', 'up to 0.8 s'],
  reorder: ['Reorder', 'the next frame arrives first'],
} as const;
type FrameFault = keyof typeof FRAME_FAULTS;
const NAMES = Object.keys(FRAME_FAULTS) as FrameFault[];

/** Percent. A frame has at most one fault, so four sliders at their maximum affect every frame. */
const MAX_PERCENT = 25;
/** Range of the delay fault. Long enough to be seen and to let later frames overtake. */
const DELAY_MS = [50, 800] as const;
/** Time until a stalled connection is reported as lost. In production this takes about one ping interval of the server. */
const STALL_MS = 4_000;

/** Injects faults into the connection of the client. */
export function createFaultsPanel(context: PanelContext): HTMLElement {
  const { client, options, figures, signal } = context;
  const { faults } = options;
  const note = create('p', { class: 'soft', role: 'status' });
  const facts = createFacts([
    'Frames with a fault',
    'Reconnects',
    'Messages in the outbox',
    'Messages sent',
    'Messages stored',
  ]);
  const show = (): void => {
    const injected = NAMES.reduce((sum, name) => sum + (faults?.figures[name] ?? 0), 0);
    const waiting = client.messages.outbox.getSnapshot().length;
    facts.show(...[injected, figures.reconnects, waiting, figures.sent, figures.stored].map(String));
  };
  follow(show, [client.messages.outbox.subscribe], signal);
  const controls = faults === undefined ? [explanation()] : createControls(faults, note);
  const actions = Object.entries(options.actions ?? {}).map(([label, run]) =>
    createButton(label, () => void run().then((text) => (note.textContent = text))),
  );
  return create(
    'div',
    { class: 'columns' },
    ...controls,
    create(
      'section',
      { 'aria-label': 'Connection and server' },
      ...(faults ? createCuts(faults, note) : []),
      ...actions,
      note,
    ),
    create('section', { 'aria-label': 'Statistics' }, create('h2', {}, 'Since the tools were opened'), facts.element),
  );
}

function explanation(): HTMLElement {
  const code = create('code', {}, 'faultySocket()');
  return create(
    'p',
    { class: 'soft' },
    'Pass a socket of ',
    code,
    ' (lumen-comm/testing) to the client and to mountDevtools() to inject faults.',
  );
}

/** The rates that were set for a socket. They stay while another panel is shown. */
const rates = new WeakMap<FaultySocket, Partial<Record<FrameFault, number>>>();

function setRates(faults: FaultySocket, next: Partial<Record<FrameFault, number>>): void {
  rates.set(faults, next);
  faults.set({ ...next, delayMs: DELAY_MS, killMs: STALL_MS });
}

function createControls(faults: FaultySocket, note: HTMLElement): HTMLElement[] {
  const sliders = NAMES.map((name) => createSlider(faults, name));
  const reset = createButton('Remove faults', () => {
    setRates(faults, {});
    // A stalled connection is closed, so that the client connects again.
    if (stalled.delete(faults)) faults.cut();
    for (const slider of sliders) slider.show();
    note.textContent = 'All faults are removed.';
  });
  const rows = sliders.map(({ element }) => element);
  return [create('fieldset', {}, create('legend', {}, 'Frame faults'), ...rows, reset)];
}

const stalled = new WeakSet<FaultySocket>();

function createCuts(faults: FaultySocket, note: HTMLElement): HTMLElement[] {
  return [
    createButton('Cut connection', () => {
      faults.cut();
      note.textContent = 'The connection is closed, and the client was notified.';
    }),
    createButton('Stall connection', () => {
      stalled.add(faults);
      faults.kill();
      note.textContent = 'The connection is stalled: no frames pass until the client notices.';
    }),
  ];
}

function createSlider(faults: FaultySocket, name: FrameFault): { element: HTMLElement; show(): void } {
  const [label, description] = FRAME_FAULTS[name];
  const input = create('input', {
    type: 'range',
    id: name,
    min: 0,
    max: MAX_PERCENT,
    step: 5,
    'aria-describedby': `${name}-text`,
  });
  const output = create('output', { for: name });
  const show = (): void => {
    const percent = Math.round((rates.get(faults)?.[name] ?? 0) * 100);
    const text = percent === 0 ? 'off' : `${percent} %`;
    input.value = String(percent);
    input.setAttribute('aria-valuetext', text);
    output.textContent = text;
  };
  input.addEventListener('input', () => {
    setRates(faults, { ...rates.get(faults), [name]: input.valueAsNumber / 100 });
    show();
  });
  show();
  const text = create('span', { id: `${name}-text`, class: 'soft' }, description);
  return {
    element: create('div', { class: 'fault' }, create('label', { for: name }, label), input, output, text),
    show,
  };
}
