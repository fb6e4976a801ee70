/**
 * Developer tools for apps built on `lumen-comm`: events, connection, outbox, cursors, what the server sees, and faults.
 * Import them with `import()` in development builds only.
 *
 * @module
 */
import { partsOf, type CommClient } from '../client/comm-client.ts';
import { create, createButton } from './dom.ts';
import { createDrawer } from './drawer.ts';
import { EventLog } from './event-log.ts';
import { ClientFigures } from './figures.ts';
import type { DevtoolsOptions } from './options.ts';
import { STYLES } from './styles.ts';

export type { DevtoolsOptions } from './options.ts';

/**
 * Adds developer tools for a client to the page, in a shadow root. They record events from now on, and never show tokens or keys.
 *
 * @returns a function that removes them. Idempotent.
 */
export function mountDevtools(client: CommClient, options: DevtoolsOptions = {}): () => void {
  const { target = document.body, open = false, onClose } = options;
  const scope = new AbortController();
  const { signal } = scope;
  const log = new EventLog(client, signal);
  const context = { client, parts: partsOf(client), options, log, figures: new ClientFigures(client, signal), signal };
  const host = create('div', { 'data-fixed': options.target === undefined });
  const root = host.attachShadow({ mode: 'open', delegatesFocus: true });
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(STYLES);
  root.adoptedStyleSheets = [sheet];

  let drawer = new AbortController();
  const close = (): void => {
    drawer.abort();
    root.replaceChildren(launcher);
  };
  const show = (): void => {
    const opened = (drawer = new AbortController());
    root.replaceChildren(
      createDrawer(
        { ...context, signal: opened.signal },
        onClose ??
          (() => {
            close();
            launcher.focus();
          }),
      ),
    );
  };
  const launcher = createButton('Developer tools', () => {
    show();
    host.focus();
  });
  launcher.className = 'launcher';
  if (open) show();
  else close();
  target.append(host);
  return () => {
    scope.abort();
    drawer.abort();
    host.remove();
  };
}
