import { mountDevtools } from 'lumen-comm/devtools';
import { h } from '../lib/dom.ts';
import type { Session } from './session.ts';

/** The developer tools below the chat. They record events from the start, and are hidden until they are toggled. */
export function developerTools({ client, faults, route, signal }: Session): {
  readonly element: HTMLElement;
  toggle(): void;
} {
  const element = h('div', { class: 'developer-tools', hidden: true });
  const toggle = (): void => {
    element.hidden = !element.hidden;
    const [tools] = element.children;
    if (!element.hidden && tools instanceof HTMLElement) tools.focus();
  };
  const { place } = route;
  const unmount = mountDevtools(client, {
    target: element,
    open: true,
    onClose: toggle,
    faults,
    conversation: { getSnapshot: () => place.value.conversationId, subscribe: place.subscribe },
    actions: { 'Kill server': killServer },
  });
  signal.addEventListener('abort', unmount);
  return { element, toggle };
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
