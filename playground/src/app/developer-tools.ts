import { mountDevtools } from 'lumen-comm/devtools';
import { h } from '../lib/dom.ts';
import type { Session } from './session.ts';

/** The developer tools below the chat. They record events from the start, and are hidden until they are toggled. */
export function developerTools({ client, faults, process, route, signal }: Session): {
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
    process,
    actions: { 'Kill server': () => killServer(process.getSnapshot()) },
  });
  signal.addEventListener('abort', unmount);
  return { element, toggle };
}

/** @param name - of the process, where several serve the page: the request may reach another one */
async function killServer(name: string | undefined): Promise<string> {
  const query = name === undefined ? '' : `?process=${encodeURIComponent(name)}`;
  try {
    const { ok, status } = await fetch(`/playground/kill${query}`, { method: 'POST' });
    return ok
      ? `The server${name === undefined ? '' : ` ${name}`} was killed. It restarts in a moment.`
      : `The server cannot be killed from this page (${status}).`;
  } catch {
    return 'The server does not respond; it may already be stopped.';
  }
}
