import type { ConversationSnapshot } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { keyNotices } from '../encryption/notices.ts';
import { h, setChildren } from '../lib/dom.ts';
import { Cell, childAbort, watch } from '../lib/watch.ts';
import { button } from '../ui/button.ts';
import { reasonOf } from '../ui/toast.ts';
import { Composer } from './composer.ts';
import { detailsPanel } from './details.ts';
import { conversationHeader } from './header.ts';
import { markWhenSeen } from './mark-when-seen.ts';
import { messageCommands } from './message-commands.ts';
import { Timeline } from './timeline.ts';
import { typingLine } from './typing-line.ts';

/** One open conversation: it joins when it appears and leaves when `signal` aborts. */
export function conversationPane(
  session: Session,
  id: string,
  drafts: Map<string, string>,
  signal: AbortSignal,
): HTMLElement {
  const { client, route } = session;
  const view = client.conversations.open(id);
  signal.addEventListener('abort', () => view.close());
  const showsDetails = new Cell(false);
  const composer = new Composer(session, view, drafts, () => timeline.toNewest());
  const commands = messageCommands(session, view, composer);
  const timeline = new Timeline(session, view, commands, signal);
  commands.onJump = (messageId) => void timeline.jumpTo(messageId);
  composer.onLeave = () => timeline.focusNewest();
  const header = conversationHeader(session, view, showsDetails, signal);
  const notices = keyNotices(session, view, signal);
  const typing = typingLine(view, signal);
  const problem = h('div', { class: 'pane-problem', role: 'alert', hidden: true });
  const body = h('div', { class: 'pane-main' }, problem, header, notices, timeline.element, typing, composer.element);
  const pane = h('div', { class: 'pane' }, body);

  let detailsScope = childAbort(signal);
  watch(
    [showsDetails.subscribe],
    () => {
      detailsScope.abort();
      detailsScope = childAbort(signal);
      const close = (): void => showsDetails.set(false);
      setChildren(pane, body, showsDetails.value && detailsPanel(session, view, close, detailsScope.signal));
    },
    signal,
  );
  const showProblem = ({ error, conversation }: ConversationSnapshot): void => {
    const isFatal = error !== undefined && conversation === undefined;
    problem.hidden = !isFatal;
    if (!isFatal) return;
    const text =
      error.code === 'NOT_FOUND'
        ? 'There is no such chat, or you are not in it.'
        : `This chat could not be opened: ${reasonOf(error)}.`;
    setChildren(
      problem,
      h('p', {}, text),
      button({ label: 'Back to all chats' }, () => route.close()),
    );
  };
  watch([view.subscribe], () => showProblem(view.getSnapshot()), signal);
  watch([session.keys.subscribe], () => composer.setEncrypted(session.keys.isRequired(id)), signal);
  markWhenSeen(session, view, timeline, signal);
  // Where a search result or a quote leads to.
  watch(
    [route.place.subscribe],
    () => {
      const { conversationId, messageId } = route.place.value;
      if (conversationId !== id || messageId === undefined) return;
      route.place.set({ conversationId });
      view.ready.then(() => timeline.jumpTo(messageId)).catch(() => undefined);
    },
    signal,
  );
  if (window.matchMedia('(hover: hover)').matches) queueMicrotask(() => composer.focus());
  return pane;
}
