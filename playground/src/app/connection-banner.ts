import { h, setAttributes, setText } from '../lib/dom.ts';
import { watch } from '../lib/watch.ts';
import { button } from '../ui/button.ts';
import type { Session } from './session.ts';

const BACK_SHOWN_MS = 2_500;
/** A connection that stands sooner than this needs no words. */
const QUIET_MS = 700;

interface Notice {
  kind: 'quiet' | 'waiting' | 'problem' | 'good';
  text: string;
  action?: 'connect' | undefined;
}

/** Says kindly how the line is, whenever there is something to say. */
export function connectionBanner({ client, outbox, signal }: Session): HTMLElement {
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
    const notice = noticeFor(client.status, navigator.onLine, outbox.waiting.value.length);
    // What is being said of a line that stands is said to its end.
    if (notice === undefined && !wasAway && element.dataset['kind'] === 'good') return;
    clearTimeout(timer);
    if (notice?.kind === 'quiet') timer = window.setTimeout(() => show(notice), QUIET_MS);
    else if (notice === undefined && wasAway) showFor({ kind: 'good', text: 'Back online' }, BACK_SHOWN_MS);
    else show(notice);
    wasAway = notice !== undefined && (wasAway || notice.kind !== 'quiet');
  };
  const later = watch([(listener) => client.on('status', listener), outbox.waiting.subscribe], render, signal);
  window.addEventListener('online', later, { signal });
  window.addEventListener('offline', later, { signal });
  return element;
}

function noticeFor(status: string, hasNetwork: boolean, waiting: number): Notice | undefined {
  const later =
    waiting > 0
      ? `${waiting === 1 ? '1 message waits' : `${waiting} messages wait`} to be sent.`
      : 'What you write is kept and sent later.';
  switch (status) {
    case 'connected':
      return hasNetwork ? undefined : { kind: 'waiting', text: `You are offline. ${later}` };
    case 'connecting':
    case 'idle':
      return hasNetwork
        ? { kind: 'quiet', text: 'Connecting…' }
        : { kind: 'waiting', text: `You are offline. ${later}` };
    case 'reconnecting':
      return { kind: 'waiting', text: `${hasNetwork ? 'Reconnecting…' : 'You are offline.'} ${later}` };
    case 'unauthenticated':
      return { kind: 'problem', text: 'The server does not know you any more.', action: 'connect' };
    default:
      return { kind: 'problem', text: `Disconnected. ${later}`, action: 'connect' };
  }
}
