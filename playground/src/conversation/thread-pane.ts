import type { Message } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { h, on } from '../lib/dom.ts';
import { KeyedList } from '../lib/keyed-list.ts';
import { watch } from '../lib/watch.ts';
import { iconButton } from '../ui/button.ts';
import { Composer } from './composer.ts';
import type { Drafts } from './drafts.ts';
import { markWhenSeen } from './mark-when-seen.ts';
import { messageCommands, type MessageCommands } from './message-commands.ts';
import { MessageToolbar } from './message-toolbar.ts';
import { messageView } from './message-view.ts';
import type { MessageRowData } from './rows.ts';
import { Timeline } from './timeline.ts';

export interface OpenThread {
  readonly conversationId: string;
  readonly rootId: string;
  /** The commands of the conversation. */
  readonly main: MessageCommands;
}

/** A thread next to its conversation: the message, the replies and an input. Closes its view when `signal` aborts. */
export function threadPane(
  session: Session,
  { conversationId, rootId, main }: OpenThread,
  drafts: Drafts,
  close: () => void,
  signal: AbortSignal,
): HTMLElement {
  const view = session.client.conversations.openThread(conversationId, rootId);
  signal.addEventListener('abort', () => view.close());
  const alsoInConversation = h('input', { type: 'checkbox', class: 'person-check' });
  const composer = new Composer(session, view, drafts, () => timeline.toNewest(), signal, {
    label: 'Reply',
    draftKey: `${conversationId}\n${rootId}`,
    fields: () => {
      const fields = alsoInConversation.checked ? { alsoInConversation: true } : {};
      alsoInConversation.checked = false;
      return fields;
    },
    footer: h('label', { class: 'thread-also' }, alsoInConversation, 'Also send to the chat'),
  });
  const commands = messageCommands(session, view, composer);
  const root = h('ol', { class: 'messages thread-root', 'aria-label': 'Message of the thread' });
  const timeline = new Timeline(session, view, commands, signal, { thread: { before: root } });
  commands.onJump = (messageId) => {
    const isHere = view.getSnapshot().messages.some(({ id }) => id === messageId);
    if (isHere) void timeline.jumpTo(messageId);
    else main.jumpTo(messageId);
  };
  composer.onLeave = () => timeline.focusNewest();
  const toolbar = new MessageToolbar(root, commands, session.userId);
  const rows = new KeyedList<MessageRowData>(
    root,
    ({ key }) => key,
    () => messageView(session, commands, toolbar, signal),
  );
  watch([view.subscribe], () => rows.render(rowOf(view.getSnapshot().root)), signal);
  watch([session.keys.subscribe], () => composer.setEncrypted(session.keys.isRequired(conversationId)), signal);
  const isUnread = (id: string, followed: readonly { id: string; unread: boolean }[] = []): boolean =>
    followed.some((each) => each.id === id && each.unread);
  markWhenSeen(session, view, timeline, ({ followedThreads }) => isUnread(rootId, followedThreads), signal);

  const element = h(
    'aside',
    { class: 'details thread-pane', 'aria-label': 'Thread' },
    h(
      'header',
      { class: 'details-header' },
      h('h2', {}, 'Thread'),
      iconButton({ label: 'Close thread', icon: 'close' }, close),
    ),
    timeline.element,
    composer.element,
  );
  on(element, 'keydown', (event) => {
    if (event.key === 'Escape' && !event.defaultPrevented) close();
  });
  queueMicrotask(() => composer.focus());
  return element;
}

function rowOf(message: Message | undefined): MessageRowData[] {
  if (message === undefined) return [];
  return [{ kind: 'message', key: 'root', message, first: true, last: true, readers: [], threadUnread: false }];
}
