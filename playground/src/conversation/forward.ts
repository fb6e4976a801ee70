import type { CommClient, Conversation, Message } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { h, on } from '../lib/dom.ts';
import { otherIn, summaryOf, titleOf } from '../lib/people.ts';
import { conversationAvatar } from '../ui/avatar.ts';
import { openDialog } from '../ui/dialog.ts';
import { attempt, toast } from '../ui/toast.ts';

/** Opens a dialog that selects the conversation to forward a message to. */
export function forwardMessage({ client, userId, presence, signal }: Session, message: Message): void {
  const { conversations } = client.conversations.inbox.getSnapshot();
  const filter = h('input', {
    class: 'field',
    type: 'search',
    'aria-label': 'Find a chat',
    placeholder: 'Find a chat',
    autocomplete: 'off',
    autofocus: true,
  });
  const targets = conversations.map((conversation) => ({
    name: titleOf(conversation, userId),
    element: target(conversation),
  }));
  const list = h('ul', { class: 'people' }, ...targets.map(({ element }) => element));
  const dialog = openDialog(
    'Forward to',
    h('blockquote', { class: 'forward-quote', dir: 'auto' }, summaryOf(message)),
    filter,
    list,
  );
  on(filter, 'input', () => {
    const words = filter.value.trim().toLowerCase();
    for (const { name, element } of targets) element.hidden = !name.toLowerCase().includes(words);
  });

  function target(conversation: Conversation): HTMLElement {
    const picture = conversationAvatar();
    const other = otherIn(conversation, userId);
    picture.update(conversation, userId, other && presence.of(other));
    const name = titleOf(conversation, userId);
    const choice = h('button', { type: 'button', class: 'person-link' }, picture.element, h('span', {}, name));
    on(choice, 'click', () => {
      dialog.close();
      const forwarded = pass(client, message, conversation.id).then(() => toast(`Forwarded to ${name}`));
      void attempt('The message was not forwarded', forwarded, signal);
    });
    return h('li', {}, choice);
  }
}

/** The server can't copy an encrypted message, so the client encrypts it again for the other conversation. */
async function pass(client: CommClient, message: Message, toConversationId: string): Promise<Message> {
  const { id: messageId, conversationId: fromConversationId, encrypted, content } = message;
  if (encrypted === true)
    return await client.messages.send({ conversationId: toConversationId, content, encrypt: true });
  return await client.messages.forward({ messageId, fromConversationId, toConversationId });
}
