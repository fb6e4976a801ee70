import type { Message } from 'lumen-comm';
import { callLayer } from '../call/call-layer.ts';
import { callerOf } from '../call/incoming-call.ts';
import { ConversationArea } from '../conversation/area.ts';
import { h, on, setAttributes } from '../lib/dom.ts';
import { onProfile } from '../lib/profiles.ts';
import { nameOf, summaryOf, titleOf } from '../lib/people.ts';
import { watch } from '../lib/watch.ts';
import { sidebar } from '../sidebar/sidebar.ts';
import { announce } from '../ui/announcer.ts';
import { connectionBanner } from './connection-banner.ts';
import { developerTools } from './developer-tools.ts';
import { startSession, type Session } from './session.ts';

/** As in `phone.css`. */
const PHONE = '(width < 640px)';

/** Renders the page of a signed-in user: list, conversation, developer tools. On phones list and conversation are two screens. */
export function showApp(root: HTMLElement, userId: string): void {
  const scope = new AbortController();
  const session = startSession(userId, scope.signal);
  const tools = developerTools(session);
  const area = new ConversationArea(session);
  const side = sidebar(session, { toggleDrawer: () => tools.toggle() });
  const heading = h('div', { class: 'visually-hidden', role: 'heading' }, 'Chats');
  side.prepend(heading);
  const columns = h('div', { class: 'columns' }, side, area.element);
  const banner = connectionBanner(session);
  const calls = callLayer(session, [columns, tools.element]);
  root.replaceChildren(h('div', { class: 'shell' }, calls, banner, columns, tools.element));
  const phone = window.matchMedia(PHONE);
  const showScreen = watch(
    [session.route.place.subscribe],
    () => {
      const isOpen = session.route.place.value.conversationId !== undefined;
      setAttributes(columns, { 'data-screen': isOpen ? 'conversation' : 'list' });
      // A page has one main landmark that is visible, and one main heading: the title of the open chat, or that of the list.
      setAttributes(heading, { 'aria-level': isOpen ? '2' : '1' });
      setAttributes(side, { role: phone.matches && !isOpen ? 'main' : 'complementary' });
    },
    scope.signal,
  );
  phone.addEventListener('change', showScreen, { signal: scope.signal });
  ignoreDrops(scope.signal);
  showUnreadInTitle(session);
  announceMessages(session);
}

/** Without this a file that is dropped beside a conversation replaces the page. */
function ignoreDrops(signal: AbortSignal): void {
  for (const type of ['dragover', 'drop'] as const) {
    const ignore = (event: DragEvent): void => {
      if (event.defaultPrevented || event.dataTransfer?.types.includes('Files') !== true) return;
      event.preventDefault();
      event.dataTransfer.dropEffect = 'none';
    };
    on(document, type, ignore, { signal });
  }
}

/** The title of the tab: who is calling, the open conversation, or the user, with what is unread there. */
function showUnreadInTitle(session: Session): void {
  const { client, userId, calls, route, signal } = session;
  const { inbox } = client.conversations;
  watch(
    [inbox.subscribe, calls.ringing.subscribe, route.place.subscribe, onProfile],
    () => {
      const [ringing] = calls.ringing.value;
      if (ringing !== undefined) {
        document.title = `${callerOf(session, ringing).name} is calling · lumen-comm`;
        return;
      }
      const { conversations } = inbox.getSnapshot();
      const open = conversations.find(({ id }) => id === route.place.value.conversationId);
      const counted = open === undefined ? conversations.filter(({ muted }) => muted !== true) : [open];
      const unread = counted.reduce((sum, { unreadCount }) => sum + unreadCount, 0);
      const name = open === undefined ? nameOf(userId) : titleOf(open, userId);
      document.title = `${unread > 0 ? `(${unread}) ` : ''}${name} · lumen-comm`;
    },
    signal,
  );
}

function announceMessages({ client, userId, route, blocks, signal }: Session): void {
  const announceMessage = (message: Message): void => {
    if (message.senderId === userId || blocks.blocked.value.has(message.senderId)) return;
    const conversations = client.conversations.inbox.getSnapshot().conversations;
    const conversation = conversations.find(({ id }) => id === message.conversationId);
    const isOpen = route.place.value.conversationId === message.conversationId;
    const sender = nameOf(message.senderId);
    if (isOpen) announce(`${sender}: ${summaryOf(message, userId)}`);
    else if (conversation?.muted !== true) {
      const where = conversation?.type === 'group' ? ` in ${titleOf(conversation, userId)}` : '';
      announce(`New message from ${sender}${where}`);
    }
  };
  client.on('message:new', announceMessage, { signal });
}
