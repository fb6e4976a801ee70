import { isCommError, type CallSession } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { h, setChildren } from '../lib/dom.ts';
import { childAbort, watch } from '../lib/watch.ts';
import { button } from '../ui/button.ts';
import { dialogActions, openDialog } from '../ui/dialog.ts';
import type { CallProblem } from './call-desk.ts';
import { ringPanel } from './ring-panel.ts';
import { callStage } from './stage.ts';
import { callProblem } from './words.ts';

/** Everything about calls that stands over the page. @param behind - what is out of reach while a call fills the page */
export function callLayer(session: Session, behind: readonly HTMLElement[]): HTMLElement {
  const { calls, signal } = session;
  const place = h('div', { class: 'stage-place' });
  let scope = childAbort(signal);
  let shown: CallSession | undefined;
  /** Where the focus was last outside of the call: there it goes back to. */
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
      // A button that disappears under the focus leaves it nowhere.
      const isAdrift = document.activeElement === document.body || place.contains(document.activeElement);
      setChildren(place, stage);
      if (stage !== undefined) stage.focus();
      else if (isAdrift) before?.focus({ preventScroll: true });
    },
    signal,
  );
  calls.problem.subscribe(() => {
    const { value } = calls.problem;
    if (value !== undefined) showProblem(session, value);
  });
  return h('div', { class: 'call-layer' }, ringPanel(session), place);
}

function showProblem({ calls }: Session, { error, target }: CallProblem): void {
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
    h('p', {}, callProblem(error)),
    dialogActions(
      button({ label: 'Close' }, () => dialog.close()),
      plain,
      button({ label: 'Try again', class: 'button-primary' }, () => start(target.type)),
    ),
  );
  dialog.signal.addEventListener('abort', () => calls.problem.set(undefined));
}
