import type { Session } from '../app/session.ts';
import { h, on, setAttributes, setChildren } from '../lib/dom.ts';
import { childAbort } from '../lib/watch.ts';
import { iconButton } from '../ui/button.ts';
import { connectionPanel } from './connection-panel.ts';
import { eventPanel } from './event-panel.ts';
import { faultsPanel } from './faults-panel.ts';
import { serverPanel } from './server-panel.ts';

interface Panel {
  id: string;
  title: string;
  create(session: Session, signal: AbortSignal): HTMLElement;
}

/** The tabs of the drawer, in order. */
const PANELS: readonly Panel[] = [
  { id: 'events', title: 'Events', create: eventPanel },
  { id: 'server', title: 'What the server sees', create: serverPanel },
  { id: 'faults', title: 'Faults', create: faultsPanel },
  { id: 'connection', title: 'Connection', create: connectionPanel },
];

/** The developer tools below the chat. */
export class Drawer {
  readonly element: HTMLElement;
  readonly #session: Session;
  readonly #body = h('div', { class: 'drawer-body', role: 'tabpanel', id: 'drawer-panel', tabindex: 0 });
  readonly #tabs: readonly HTMLButtonElement[];
  #scope = new AbortController();
  #shown = 0;

  constructor(session: Session) {
    this.#session = session;
    this.#tabs = PANELS.map(({ id, title }, at) =>
      on(
        h(
          'button',
          { type: 'button', class: 'tab', role: 'tab', id: `tab-${id}`, 'aria-controls': 'drawer-panel' },
          title,
        ),
        'click',
        () => this.#show(at),
      ),
    );
    const tabs = h('div', { class: 'tabs', role: 'tablist', 'aria-label': 'Developer tools' }, ...this.#tabs);
    const close = iconButton({ label: 'Close developer tools', icon: 'close' }, () => this.toggle());
    this.element = h(
      'section',
      { class: 'drawer', 'aria-label': 'Developer tools', hidden: true },
      h('header', { class: 'drawer-header' }, tabs, close),
      this.#body,
    );
    on(tabs, 'keydown', (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step === undefined) return;
      this.#show((this.#shown + step + PANELS.length) % PANELS.length);
      this.#tabs[this.#shown]?.focus();
    });
    on(this.element, 'keydown', (event) => {
      if (event.key === 'Escape') this.toggle();
    });
  }

  toggle(): void {
    this.element.hidden = !this.element.hidden;
    this.#scope.abort();
    if (this.element.hidden) return setChildren(this.#body);
    this.#show(this.#shown);
    this.#tabs[this.#shown]?.focus();
  }

  #show(at: number): void {
    const panel = PANELS[at];
    if (panel === undefined) return;
    this.#shown = at;
    this.#scope.abort();
    this.#scope = childAbort(this.#session.signal);
    for (const [index, tab] of this.#tabs.entries()) {
      setAttributes(tab, { 'aria-selected': String(index === at), tabindex: index === at ? 0 : -1 });
    }
    setAttributes(this.#body, { 'aria-labelledby': `tab-${panel.id}` });
    setChildren(this.#body, panel.create(this.#session, this.#scope.signal));
  }
}
