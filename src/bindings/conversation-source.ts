import type { CommClient } from '../client/comm-client.ts';
import type { ConversationView } from '../client/conversations/conversation-view.ts';
import type { ConversationSnapshot } from '../client/conversations/open-conversation.ts';
import type { Observable } from '../lib/observable.ts';
import { openOnUse } from './source.ts';

/** What a component can do with its conversation. The functions stay the same as long as the conversation does. */
export interface ConversationActions {
  /** Sends a message. It is in `messages` at once, with the status `sending`. */
  readonly send: ConversationView['send'];
  /** Adds the next older page to the start of `messages`. */
  readonly loadOlder: ConversationView['loadOlder'];
  /** Adds the next newer page to the end of `messages`. */
  readonly loadNewer: ConversationView['loadNewer'];
  /** Shows the messages around one message. */
  readonly jumpTo: ConversationView['jumpTo'];
  /** Shows the messages around the first unread one. Does nothing in a thread. */
  readonly jumpToFirstUnread: ConversationView['jumpToFirstUnread'];
  /** Marks all messages, or all replies of the thread, as read. */
  readonly markRead: ConversationView['markRead'];
  /** Starts or ends the user's typing indicator. Call it with `true` on each keystroke. */
  readonly setTyping: ConversationView['setTyping'];
}

/** The state of an open conversation, and what can be done with it. */
export interface ConversationState extends ConversationSnapshot, ConversationActions {}

const CLOSED: ConversationSnapshot = Object.freeze({
  conversation: undefined,
  messages: Object.freeze([]),
  typing: Object.freeze([]),
  hasOlder: false,
  hasNewer: false,
  loading: false,
  stale: false,
});
const OPENING: ConversationSnapshot = Object.freeze({ ...CLOSED, loading: true });

/**
 * @param id - `undefined`: no conversation is selected
 * @param thread - shows the thread of a message; its id is `undefined` while none is selected
 */
export function conversationSource(
  client: CommClient,
  id: string | undefined,
  thread?: { readonly messageId: string | undefined },
): Observable<ConversationState> {
  const open = (conversationId: string): ConversationView =>
    thread?.messageId === undefined
      ? client.conversations.open(conversationId)
      : client.conversations.openThread(conversationId, thread.messageId);
  let view: ConversationView | undefined;
  /** Runs an action on the view. Effects of child components run before the view is opened: it is opened for their action. */
  const run =
    <A extends unknown[]>(act: (view: ConversationView, ...args: A) => Promise<void>) =>
    async (...args: A): Promise<void> => {
      if (id === undefined) return;
      const opened = view ?? open(id);
      try {
        await act(opened, ...args);
      } finally {
        if (opened !== view) opened.close();
      }
    };
  const actions: ConversationActions = {
    async send(message, options) {
      if (id === undefined) throw new TypeError('No conversation is selected');
      const input = typeof message === 'string' ? { content: message } : message;
      const inThread = thread?.messageId === undefined ? {} : { threadId: thread.messageId };
      return client.messages.send({ ...inThread, ...input, conversationId: id }, options);
    },
    loadOlder: run((opened, options) => opened.loadOlder(options)),
    loadNewer: run((opened, options) => opened.loadNewer(options)),
    jumpTo: run((opened, messageId, options) => opened.jumpTo(messageId, options)),
    jumpToFirstUnread: run((opened, options) => opened.jumpToFirstUnread(options)),
    markRead: run((opened, options) => opened.markRead(options)),
    setTyping(isTyping) {
      if (id === undefined) return;
      if (isTyping) client.typing.start(id);
      else client.typing.stop(id);
    },
  };
  const stateOf = (snapshot: ConversationSnapshot): ConversationState => Object.freeze({ ...snapshot, ...actions });

  if (id === undefined) return openOnUse(stateOf(CLOSED), () => () => undefined);
  return openOnUse(stateOf(OPENING), (set) => {
    const opened = open(id);
    view = opened;
    const show = (): void => set(stateOf(opened.getSnapshot()));
    const stop = opened.subscribe(show);
    show();
    return () => {
      stop();
      opened.close();
      view = undefined;
    };
  });
}
