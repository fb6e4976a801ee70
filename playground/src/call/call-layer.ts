import { isCommError, type CallSession } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { h, setChildren } from '../lib/dom.ts';
import { childAbort, watch } from '../lib/watch.ts';
import { button } from '../ui/button.ts';
import { dialogActions, openDialog } from '../ui/dialog.ts';
import type { CallFailure } from './call-store.ts';
import { incomingCalls } from './incoming-call.ts';
import { callStage } from './call-stage.ts';
import { callErrorText } from './call-texts.ts';

/** The call view and incoming calls. @param behind - elements that are inert while a call fills the page */
export function callLayer(session: Session, behind: readonly HTMLElement[]): HTMLElement {
  const { calls, signal } = session;
  const place = h('div', { class: 'stage-place' });
  let scope = childAbort(signal);
  let shown: CallSession | undefined;
  /** The element that had the focus before the call view. */
  let before: HTMLElement | undefined;
  const remember = ({ target }: Event): void => {
    if (target instanceof HTMLElement && !place.contains(target)) before = target;
  };
  document.addEventListener('focusin', remember, { signal });
  watch(
    [calls.session.subscribe, calls.size.subscribe],
    () => {
      const call = calls.session.value;
      for (const element of behind) element.inert = call !== undefined && calls.size.value === 'full';
      if (call === shown) return;
      shown = call;
      scope.abort();
      scope = childAbort(signal);
      const stage = call && callStage(session, call, scope.signal);
      // The focus is lost if its element was removed.
      const hasLostFocus = document.activeElement === document.body || place.contains(document.activeElement);
      setChildren(place, stage);
      if (stage !== undefined) stage.focus();
      else if (hasLostFocus) before?.focus({ preventScroll: true });
    },
    signal,
  );
  calls.failure.subscribe(() => {
    const { value } = calls.failure;
    if (value !== undefined) showFailure(session, value);
  });
  return h('div', { class: 'call-layer' }, incomingCalls(session), place);
}

function showFailure({ calls }: Session, { error, target }: CallFailure): void {
  const isMedia = isCommError(error) && (error.code === 'MEDIA_DENIED' || error.code === 'MEDIA_UNAVAILABLE');
  const start = (type: 'audio' | 'video'): void => {
    dialog.close();
    calls.close();
    calls.start({ ...target, type });
  };
  const plain = button({ label: 'Call without camera' }, () => start('audio'));
  plain.hidden = !isMedia || target.type === 'audio';
  const dialog = openDialog(
    isMedia ? 'No microphone or camera' : 'The call did not work',
    h('p', {}, callErrorText(error)),
    dialogActions(
      button({ label: 'Close' }, () => dialog.close()),
      plain,
      button({ label: 'Try again', class: 'button-primary' }, () => start(target.type)),
    ),
  );
  dialog.signal.addEventListener('abort', () => calls.failure.set(undefined));
}
