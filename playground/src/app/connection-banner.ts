import type { ConnectionSnapshot } from 'lumen-comm';
import { h, setAttributes, setText } from '../lib/dom.ts';
import { watch } from '../lib/watch.ts';
import { button } from '../ui/button.ts';
import type { Session } from './session.ts';

const BACK_SHOWN_MS = 2_500;
/** A connection attempt that is shorter than this is not shown. */
const SHOW_AFTER_MS = 700;

interface Notice {
  kind: 'quiet' | 'waiting' | 'problem' | 'good';
  text: string;
  action?: 'connect' | undefined;
}

/** Shows connection problems and, briefly, that the connection is back. */
export function connectionBanner({ client, outbox, signal }: Session): HTMLElement {
  const { inbox } = client.conversations;
  const text = h('span', {});
  const retry = button({ label: 'Connect', class: 'button-small' }, () => {
    client.connect().catch(() => undefined);
  });
  const element = h(
    'div',
    { class: 'banner', role: 'status', hidden: true },
    h('span', { class: 'banner-dot' }),
    text,
    retry,
  );
  let wasAway = false;
  let timer = 0;
  const show = (notice: Notice | undefined): void => {
    setAttributes(element, { hidden: notice === undefined, 'data-kind': notice?.kind });
    setText(text, notice?.text ?? '');
    retry.hidden = notice?.action !== 'connect';
  };
  const showFor = (notice: Notice, ms: number): void => {
    show(notice);
    timer = window.setTimeout(() => show(undefined), ms);
  };
  const render = (): void => {
    const { stale } = inbox.getSnapshot();
    const notice = noticeFor(client.connection.getSnapshot(), navigator.onLine, outbox.waiting.value.length, stale);
    // "Back online" stays until its time is over.
    if (notice === undefined && !wasAway && element.dataset['kind'] === 'good') return;
    clearTimeout(timer);
    if (notice?.kind === 'quiet') timer = window.setTimeout(() => show(notice), SHOW_AFTER_MS);
    else if (notice === undefined && wasAway) showFor({ kind: 'good', text: 'Back online' }, BACK_SHOWN_MS);
    else show(notice);
    wasAway = notice !== undefined && (wasAway || notice.kind !== 'quiet');
  };
  const later = watch([client.connection.subscribe, outbox.waiting.subscribe, inbox.subscribe], render, signal);
  window.addEventListener('online', later, { signal });
  window.addEventListener('offline', later, { signal });
  return element;
}

function noticeFor(
  { status, lastError }: ConnectionSnapshot,
  hasNetwork: boolean,
  waiting: number,
  stale: boolean,
): Notice | undefined {
  const why = lastError === undefined ? '' : ` ${lastError.message}.`;
  const unsent =
    waiting > 0
      ? `${waiting === 1 ? '1 message is' : `${waiting} messages are`} waiting to be sent.`
      : 'New messages are stored and sent later.';
  const later = stale ? `Shown as of your last visit. ${unsent}` : unsent;
  switch (status) {
    case 'connected':
      return hasNetwork ? undefined : { kind: 'waiting', text: `You are offline. ${later}` };
    case 'connecting':
    case 'idle':
      if (!hasNetwork) return { kind: 'waiting', text: `You are offline. ${later}` };
      return {
        kind: lastError === undefined ? 'quiet' : 'waiting',
        text: `Connecting…${why}${stale ? ' Shown as of your last visit.' : ''}`,
      };
    case 'reconnecting':
      return { kind: 'waiting', text: `${hasNetwork ? `Reconnecting…${why}` : 'You are offline.'} ${later}` };
    case 'unauthenticated':
      return { kind: 'problem', text: `You are signed out.${why}`, action: 'connect' };
    default:
      return { kind: 'problem', text: `Disconnected. ${later}`, action: 'connect' };
  }
}
