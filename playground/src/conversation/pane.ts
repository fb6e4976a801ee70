import type { ConversationSnapshot } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { keyNotices } from '../encryption/notices.ts';
import { h, on, setChildren } from '../lib/dom.ts';
import { Cell, childAbort, watch } from '../lib/watch.ts';
import { button } from '../ui/button.ts';
import { attempt, reasonOf } from '../ui/toast.ts';
import { Composer } from './composer.ts';
import { detailsPanel } from './details.ts';
import type { Drafts } from './drafts.ts';
import { composerNote } from './composer-note.ts';
import { conversationHeader } from './header.ts';
import { markWhenSeen } from './mark-when-seen.ts';
import { messageCommands } from './message-commands.ts';
import type { Side } from './side.ts';
import { Timeline } from './timeline.ts';
import { typingLine } from './typing-line.ts';

/** An open conversation. Opens its view at once and closes it when `signal` aborts. */
export function conversationPane(session: Session, id: string, drafts: Drafts, signal: AbortSignal): HTMLElement {
  const { client, route } = session;
  const view = client.conversations.open(id);
  signal.addEventListener('abort', () => view.close());
  const side = new Cell<Side | undefined>(undefined);
  const composer = new Composer(session, view, drafts, () => timeline.toNewest(), signal);
  const openThread = (messageId: string): void => side.set({ threadId: messageId });
  const commands = messageCommands(session, view, composer, openThread);
  const timeline = new Timeline(session, view, commands, signal);
  commands.onJump = (messageId) => void timeline.jumpTo(messageId);
  composer.onLeave = () => timeline.focusNewest();
  const header = conversationHeader(session, view, side, signal);
  const notices = keyNotices(session, view, signal);
  const typing = typingLine(view, signal);
  const rules = composerNote(session, view, composer, signal);
  const problem = h('div', { class: 'pane-problem', role: 'alert', hidden: true });
  const body = h(
    'div',
    { class: 'pane-main' },
    problem,
    header,
    notices,
    timeline.element,
    typing,
    rules,
    composer.element,
  );
  const pane = h('div', { class: 'pane' }, body);

  takeDrops(body, (files) => composer.drop(files));

  let sideScope = childAbort(signal);
  watch(
    [side.subscribe],
    () => {
      sideScope.abort();
      const scope = (sideScope = childAbort(signal));
      const shown = side.value;
      const close = (): void => side.set(undefined);
      if (shown === undefined) return setChildren(pane, body);
      if (shown === 'details') return setChildren(pane, body, detailsPanel(session, view, close, scope.signal));
      setChildren(pane, body);
      const loading = import('./thread-pane.ts').then(({ threadPane }) => {
        if (scope.signal.aborted) return;
        const thread = { conversationId: id, rootId: shown.threadId, main: commands };
        setChildren(pane, body, threadPane(session, thread, drafts, close, scope.signal));
      });
      void attempt('The thread could not be opened', loading, scope.signal);
    },
    signal,
  );
  let shownError: unknown;
  const showProblem = ({ error, conversation }: ConversationSnapshot): void => {
    const isFatal = error !== undefined && conversation === undefined;
    problem.hidden = !isFatal;
    if (!isFatal || error === shownError) return;
    shownError = error;
    const text =
      error.code === 'NOT_FOUND'
        ? 'This chat does not exist, or you are not a member.'
        : `This chat could not be opened: ${reasonOf(error)}.`;
    setChildren(
      problem,
      h('p', {}, text),
      button({ label: 'Back to all chats' }, () => route.close()),
    );
  };
  watch([view.subscribe], () => showProblem(view.getSnapshot()), signal);
  watch([session.keys.subscribe], () => composer.setEncrypted(session.keys.isRequired(id)), signal);
  markWhenSeen(session, view, timeline, ({ unreadCount }) => unreadCount > 0, signal);
  // The target of a search result or a quote.
  watch(
    [route.place.subscribe],
    () => {
      const { conversationId, messageId } = route.place.value;
      if (conversationId !== id || messageId === undefined) return;
      route.place.set({ conversationId });
      timeline.expectJump();
      view.ready.then(() => timeline.jumpTo(messageId)).catch(() => undefined);
    },
    signal,
  );
  if (window.matchMedia('(hover: hover)').matches) queueMicrotask(() => composer.focus());
  return pane;
}

/** Takes files that are dropped anywhere on an element, which is marked meanwhile. */
function takeDrops(element: HTMLElement, take: (files: FileList) => void): void {
  const mark = (event: DragEvent, isOver: boolean): void => {
    if (event.dataTransfer?.types.includes('Files') !== true) return;
    event.preventDefault();
    element.classList.toggle('drop-target', isOver);
  };
  on(element, 'dragover', (event) => mark(event, true));
  on(element, 'dragleave', (event) => {
    if (!(event.relatedTarget instanceof Node && element.contains(event.relatedTarget))) mark(event, false);
  });
  on(element, 'drop', (event) => {
    mark(event, false);
    const { files } = event.dataTransfer ?? {};
    if (files !== undefined && files.length > 0) take(files);
  });
}
