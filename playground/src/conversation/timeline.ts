import type { Conversation, ConversationSnapshot, ConversationView, Message } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { h, on, setAttributes, setText } from '../lib/dom.ts';
import { icon } from '../lib/icons.ts';
import { KeyedList, type ItemView } from '../lib/keyed-list.ts';
import { watch } from '../lib/watch.ts';
import { attempt } from '../ui/toast.ts';
import type { MessageCommands } from './message-commands.ts';
import { MessageToolbar } from './message-toolbar.ts';
import { messageView } from './message-view.ts';
import { Pager } from './pager.ts';
import { rowsOf, type Row } from './rows.ts';
import { ScrollAnchor } from './scroll-anchor.ts';

export interface TimelineOptions {
  /** Shown in place of the conversation: the thread of a message, with what stands before its replies. */
  readonly thread?: { readonly before: HTMLElement } | undefined;
}

/** The messages of a conversation or of a thread. Follows new messages at the end; keeps the position if the user has scrolled up. */
export class Timeline {
  readonly element: HTMLElement;
  onScroll = (): void => undefined;
  readonly #session: Session;
  readonly #view: ConversationView;
  readonly #list: KeyedList<Row>;
  readonly #rows: HTMLElement;
  readonly #scroller: HTMLElement;
  readonly #anchor: ScrollAnchor;
  readonly #pager: Pager;
  readonly #newest: HTMLButtonElement;
  readonly #newestCount = h('span', { class: 'badge', hidden: true });
  readonly #isThread: boolean;
  /** The user's read position when the conversation was opened; `null` until it is known. */
  #readSeq: number | undefined | null = null;
  /** The first unread message when the conversation was opened, if the server has named it. */
  #unreadId: string | undefined;
  /** The newest stored message when the conversation was opened. */
  #openedSeq = 0;
  /** Whether the initial scroll position was set: the first unread message, otherwise the end. */
  #isSettled = false;
  /** Whether the messages around the first unread one are loading. */
  #isJumping = false;
  /** Whether a message will be jumped to, instead of the first unread one. */
  #hasTarget = false;

  constructor(
    session: Session,
    view: ConversationView,
    commands: MessageCommands,
    signal: AbortSignal,
    { thread }: TimelineOptions = {},
  ) {
    this.#session = session;
    this.#view = view;
    this.#isThread = thread !== undefined;
    this.#rows = h('ol', { class: 'messages', 'aria-label': this.#isThread ? 'Replies' : 'Messages' });
    this.#pager = new Pager(session, view, signal, this.#isThread);
    this.#scroller = h(
      'div',
      { class: 'timeline-scroller', tabindex: -1 },
      thread?.before,
      this.#pager.top,
      this.#rows,
      this.#pager.bottom,
    );
    this.#newest = h(
      'button',
      { type: 'button', class: 'to-newest' },
      icon('down', 18),
      this.#isThread ? 'Jump to the newest reply' : 'Jump to the newest message',
      this.#newestCount,
    );
    on(this.#newest, 'click', () => this.toNewest());
    this.element = h(
      'section',
      { class: 'timeline', 'aria-label': this.#isThread ? 'Thread' : 'Conversation' },
      this.#scroller,
      this.#newest,
    );
    const toolbar = new MessageToolbar(this.#rows, commands, session.userId);
    this.#list = new KeyedList<Row>(
      this.#rows,
      ({ key }) => key,
      (row) => rowView(row, session, commands, toolbar, signal),
    );
    this.#anchor = new ScrollAnchor(this.#scroller, this.#rows, signal);
    this.#anchor.onScroll = () => this.#scrolled();
    watch([view.subscribe], () => this.#render(), signal);
  }

  /** True while the newest message is visible, not just the newest one of an earlier visit. */
  get atNewest(): boolean {
    return this.#readSeq !== null && this.#isAtEnd;
  }

  get #isAtEnd(): boolean {
    return this.#isSettled && this.#anchor.atEnd && !this.#view.getSnapshot().hasNewer;
  }

  toNewest(): void {
    const { hasNewer, conversation } = this.#view.getSnapshot();
    const newest = this.#isThread ? undefined : conversation?.lastMessage?.id;
    if (!hasNewer || newest === undefined) return this.#anchor.toEnd();
    const jump = this.#view.jumpTo(newest).then(() => this.#afterRender(() => this.#anchor.toEnd()));
    void attempt('The newest messages could not be loaded', jump);
  }

  /** Prevents that the conversation opens at its first unread message. Call it before a jump to another message. */
  expectJump(): void {
    this.#hasTarget = true;
  }

  async jumpTo(messageId: string): Promise<void> {
    this.#anchor.release();
    await attempt('This message could not be found', this.#view.jumpTo(messageId));
    this.#afterRender(() => {
      const element = this.#rows.querySelector<HTMLElement>(`[data-message-id="${CSS.escape(messageId)}"]`);
      if (element === null) return;
      this.#anchor.show(element);
      element.focus({ preventScroll: true });
      element.classList.remove('flash');
      requestAnimationFrame(() => element.classList.add('flash'));
    });
  }

  focusNewest(): void {
    [...this.#rows.querySelectorAll<HTMLElement>('.message')].at(-1)?.focus();
  }

  #render(): void {
    const snapshot = this.#view.getSnapshot();
    const { messages, conversation, hasOlder, hasNewer, loading, stale } = snapshot;
    const { userId } = this.#session;
    if (this.#readSeq === null && !loading && conversation !== undefined) this.#findUnread(conversation, snapshot);
    else if (typeof this.#readSeq === 'number' && this.#hasAnswered(messages))
      this.#readSeq = this.#unreadId = undefined;
    const rows = rowsOf(messages, {
      ownId: userId,
      conversation,
      readSeq: this.#readSeq ?? undefined,
      unreadId: this.#unreadId,
      hasOlder,
      isThread: this.#isThread,
    });
    this.#anchor.around(!hasNewer, () => {
      this.#pager.render();
      this.#list.render(rows);
    });
    if ((!loading || stale) && !this.#isSettled && !this.#isJumping && messages.length > 0) {
      this.#isSettled = true;
      this.#anchor.showStart(this.#rows.querySelector<HTMLElement>('.divider-unread'));
    }
    setAttributes(this.element, { 'aria-busy': String(loading), 'data-group': conversation?.type === 'group' });
    this.#renderNewest();
    queueMicrotask(() => this.#scrolled());
  }

  /** Notes where the unread messages begin. Loads the messages around it if they are older than the newest page. */
  #findUnread(conversation: Conversation, { messages, firstUnreadId, hasOlder }: ConversationSnapshot): void {
    this.#readSeq = undefined;
    if (this.#isThread || conversation.unreadCount === 0) return;
    const own = conversation.participants.find((each) => each.userId === this.#session.userId);
    this.#readSeq = conversation.readSeq ?? own?.lastReadSeq ?? 0;
    this.#unreadId = firstUnreadId;
    this.#openedSeq = conversation.lastMessage?.seq ?? 0;
    // Messages of an earlier visit may be shown already.
    this.#isSettled = false;
    const isLoaded = !hasOlder || messages.some(({ id }) => id === firstUnreadId);
    if (firstUnreadId === undefined || isLoaded || this.#hasTarget) return;
    this.#isJumping = true;
    this.#anchor.release();
    // If they can't be loaded, the conversation is shown at its end.
    const jumped = (): void => {
      this.#isJumping = false;
      this.#render();
    };
    this.#view.jumpToFirstUnread().then(jumped, jumped);
  }

  /** Whether the user has written since the conversation was opened. Then nothing above is new to them. */
  #hasAnswered(messages: readonly Message[]): boolean {
    const newest = messages.findLast(({ senderId }) => senderId === this.#session.userId);
    return newest !== undefined && (newest.seq === undefined || newest.seq > this.#openedSeq);
  }

  #scrolled(): void {
    if (!this.#isJumping) this.#pager.look(this.#scroller);
    this.#renderNewest();
    this.onScroll();
  }

  #renderNewest(): void {
    const { conversation, messages } = this.#view.getSnapshot();
    const unread = this.#isThread ? 0 : (conversation?.unreadCount ?? 0);
    this.#newest.hidden = this.#isAtEnd || messages.length === 0;
    this.#newestCount.hidden = unread === 0;
    setText(this.#newestCount, `${unread} new`);
  }

  /** Rendering is deferred to a microtask; code that needs its result runs after it. */
  #afterRender(task: () => void): void {
    queueMicrotask(() => queueMicrotask(task));
  }
}

function rowView(
  row: Row,
  session: Session,
  commands: MessageCommands,
  toolbar: MessageToolbar,
  signal: AbortSignal,
): ItemView<Row> {
  if (row.kind === 'message') {
    const view = messageView(session, commands, toolbar, signal);
    return { ...view, update: (next) => next.kind === 'message' && view.update(next) };
  }
  if (row.kind === 'unread') {
    return {
      element: h('li', { class: 'divider divider-unread' }, h('span', {}, 'New messages')),
      update: () => undefined,
    };
  }
  const label = h('span', {});
  return {
    element: h('li', { class: 'divider' }, label),
    update: (next) => {
      if (next.kind === 'day' && label.textContent !== next.label) label.textContent = next.label;
    },
  };
}
