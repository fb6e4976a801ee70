import type { ConversationView, Message } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { textOf } from '../attachments/message-files.ts';
import { isUnreadable } from '../lib/people.ts';
import { confirm } from '../ui/dialog.ts';
import { openMenu, type MenuItem } from '../ui/menu.ts';
import { attempt, openPanel, toast } from '../ui/toast.ts';
import type { Composer } from './composer.ts';
import { markUnread } from './conversation-menu.ts';
import { forwardMessage } from './forward.ts';
import { pickReaction } from './reaction-picker.ts';
import { showReaders } from './readers.ts';

/** The actions of a message, as rows and menus call them. */
export interface MessageCommands {
  onJump: (messageId: string) => void;
  readonly jumpTo: (messageId: string) => void;
  readonly react: (message: Message, emoji: string) => void;
  readonly pickReaction: (message: Message, anchor: HTMLElement) => void;
  readonly reply: (message: Message) => void;
  readonly retry: (message: Message) => void;
  readonly rewrite: (message: Message) => void;
  readonly discard: (message: Message) => void;
  readonly openMenu: (message: Message, anchor: HTMLElement) => void;
  /** Absent in a thread. */
  readonly openThread?: ((messageId: string) => void) | undefined;
}

export function messageCommands(
  session: Session,
  view: ConversationView,
  composer: Composer,
  openThread?: (messageId: string) => void,
): MessageCommands {
  const { client, userId } = session;
  const refOf = ({ id }: Message): { conversationId: string; messageId: string } => ({
    conversationId: view.id,
    messageId: id,
  });

  const remove = async (message: Message): Promise<void> => {
    const text = 'Members see that a message was deleted, but not its text.';
    if (!(await confirm({ title: 'Delete this message?', text, action: 'Delete' }))) return;
    await attempt('The message was not deleted', client.messages.delete(refOf(message)));
  };
  const copy = async (message: Message): Promise<void> => {
    await navigator.clipboard.writeText(textOf(message)).then(
      () => toast('Copied'),
      () => toast('The browser denied access to the clipboard'),
    );
  };
  const report = async (message: Message): Promise<void> => {
    const { reportMessage } = await import('../people/report-dialog.ts');
    reportMessage(session, message);
  };
  const discard = ({ clientId }: Message): void => {
    if (clientId === undefined) return;
    client.messages.discard(clientId);
  };

  function menuOf(message: Message): MenuItem[] {
    const isOwn = message.senderId === userId;
    const isReadable = !isUnreadable(message);
    const items: MenuItem[] = [{ label: 'Reply', icon: 'reply', select: () => composer.reply(message) }];
    if (openThread !== undefined)
      items.push({
        label: 'Reply in thread',
        icon: 'thread',
        select: () => openThread(message.threadId ?? message.id),
      });
    if (isReadable)
      items.push(
        { label: 'Forward', icon: 'forward', select: () => forwardMessage(session, message) },
        { label: 'Copy text', icon: 'copy', select: () => void copy(message) },
      );
    if (isOwn && isReadable && message.type === 'text')
      items.push({ label: 'Edit', icon: 'edit', select: () => composer.edit(message) });
    if (openThread !== undefined)
      items.push({
        label: 'Mark as unread',
        icon: 'unread',
        select: () => void markUnread(session, view.id, message.id),
      });
    const isPinned = message.pinned !== undefined;
    items.push({
      label: isPinned ? 'Unpin' : 'Pin',
      icon: 'pin',
      select: () => void attempt('Could not pin', client.messages.pin(refOf(message), !isPinned)),
    });
    items.push({ label: 'Read by', icon: 'read', select: () => showReaders(session, view, message) });
    if (isOwn)
      items.push('separator', { label: 'Delete', icon: 'trash', danger: true, select: () => void remove(message) });
    else
      items.push('separator', {
        label: 'Report',
        icon: 'flag',
        danger: true,
        select: () => void openPanel(report(message), 'The report'),
      });
    return items;
  }

  const commands: MessageCommands = {
    onJump: () => undefined,
    jumpTo: (messageId) => commands.onJump(messageId),
    react: (message, emoji) =>
      void attempt('The reaction was not saved', client.messages.react({ ...refOf(message), emoji })),
    pickReaction: (message, anchor) => {
      const own = message.reactions?.filter(({ users }) => users.includes(userId)).map(({ emoji }) => emoji) ?? [];
      pickReaction(anchor, own, (emoji) => commands.react(message, emoji));
    },
    reply: (message) => composer.reply(message),
    retry: ({ clientId }) => {
      if (clientId === undefined) return;
      // The message shows its own failure.
      client.messages.retry(clientId).catch(() => undefined);
    },
    rewrite: (message) => {
      discard(message);
      composer.restore(message.content);
    },
    discard,
    openThread,
    openMenu: (message, anchor) => openMenu(anchor, 'This message', menuOf(message)),
  };
  return commands;
}
