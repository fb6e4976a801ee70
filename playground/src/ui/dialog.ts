import { h, on, type Child } from '../lib/dom.ts';
import { button, iconButton } from './button.ts';

export interface Dialog {
  readonly element: HTMLDialogElement;
  readonly body: HTMLElement;
  /** Aborts when the dialog closes. */
  readonly signal: AbortSignal;
  readonly close: () => void;
}

let counter = 0;

/** Opens a modal dialog. It traps the focus and restores it on close. Escape and a click on the backdrop close it. */
export function openDialog(title: string, ...children: readonly Child[]): Dialog {
  const scope = new AbortController();
  const titleId = `dialog-${(counter += 1)}`;
  const close = (): void => element.close();
  const body = h('div', { class: 'dialog-body' }, ...children);
  const element = h(
    'dialog',
    { class: 'dialog', 'aria-labelledby': titleId },
    h(
      'div',
      { class: 'dialog-frame' },
      h(
        'header',
        { class: 'dialog-header' },
        h('h2', { id: titleId }, title),
        iconButton({ label: 'Close', icon: 'close' }, close),
      ),
      body,
    ),
  );
  on(element, 'close', () => {
    scope.abort();
    element.remove();
  });
  on(element, 'pointerdown', (event) => {
    if (event.target === element) close();
  });
  document.body.append(element);
  element.showModal();
  return { element, body, signal: scope.signal, close };
}

export function dialogActions(...buttons: readonly HTMLElement[]): HTMLElement {
  return h('footer', { class: 'dialog-actions' }, ...buttons);
}

/** Asks for confirmation of an action that cannot be undone. */
export function confirm({ title, text, action }: { title: string; text: string; action: string }): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const cancel = button({ label: 'Cancel' }, () => dialog.close());
  const go = button({ label: action, class: 'button-danger' }, () => {
    resolve(true);
    dialog.close();
  });
  const dialog = openDialog(title, h('p', {}, text), dialogActions(cancel, go));
  dialog.signal.addEventListener('abort', () => resolve(false));
  go.focus();
  return promise;
}
