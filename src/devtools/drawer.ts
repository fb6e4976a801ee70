import { create, createButton } from './dom.ts';
import { createConnectionPanel } from './connection-panel.ts';
import { createCursorPanel } from './cursor-panel.ts';
import { createEventPanel } from './event-panel.ts';
import { createFaultsPanel } from './faults-panel.ts';
import type { PanelContext } from './panel.ts';
import { createServerPanel } from './server-panel.ts';

interface Panel {
  readonly title: string;
  create(context: PanelContext): HTMLElement;
}

/** The tabs, in order. */
const PANELS: readonly Panel[] = [
  { title: 'Events', create: createEventPanel },
  { title: 'Connection', create: createConnectionPanel },
  { title: 'Cursors', create: createCursorPanel },
  { title: 'What the server sees', create: createServerPanel },
  { title: 'Faults', create: createFaultsPanel },
];

/** Creates the drawer with its tabs. Only the selected panel exists. */
export function createDrawer(context: PanelContext, close: () => void): HTMLElement {
  const body = create('div', { class: 'body', role: 'tabpanel', id: 'panel', tabindex: 0 });
  let scope = new AbortController();
  let selected = 0;
  const show = (at: number): void => {
    const panel = PANELS[at];
    if (panel === undefined) return;
    selected = at;
    scope.abort();
    const next = (scope = new AbortController());
    for (const [index, tab] of tabs.entries()) {
      tab.setAttribute('aria-selected', String(index === at));
      tab.tabIndex = index === at ? 0 : -1;
      // What the host focuses: browsers let the list of tabs, which scrolls, have the focus too.
      tab.autofocus = index === at;
    }
    body.setAttribute('aria-labelledby', `tab-${at}`);
    body.replaceChildren(panel.create({ ...context, signal: next.signal }));
  };
  const tabs = PANELS.map(({ title }, at) => {
    const tab = createButton(title, () => show(at));
    for (const [name, value] of Object.entries({ role: 'tab', id: `tab-${at}`, 'aria-controls': 'panel' })) {
      tab.setAttribute(name, value);
    }
    return tab;
  });
  const list = create('div', { class: 'tabs', role: 'tablist', 'aria-label': 'Developer tools' }, ...tabs);
  list.addEventListener('keydown', ({ key }) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
    if (step === undefined) return;
    show((selected + step + PANELS.length) % PANELS.length);
    tabs[selected]?.focus();
  });
  const end = createButton('✕', close);
  end.setAttribute('aria-label', 'Close developer tools');
  const drawer = create(
    'section',
    { class: 'drawer', 'aria-label': 'Developer tools' },
    create('header', {}, list, end),
    body,
  );
  drawer.addEventListener('keydown', ({ key }) => key === 'Escape' && close());
  context.signal.addEventListener('abort', () => scope.abort());
  show(0);
  return drawer;
}
