import type { Message } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { h, on, setAttributes, setText } from '../lib/dom.ts';
import { nameOf, summaryOf } from '../lib/people.ts';
import type { MessageCommands } from './message-commands.ts';

/** The message that another one answers; a click goes there. */
export function quoteView(
  { quotes, client, userId, signal }: Session,
  { jumpTo }: MessageCommands,
): { element: HTMLElement; update(id: string | undefined): void } {
  const name = h('strong', {});
  const text = h('span', { dir: 'auto' });
  const element = h('button', { type: 'button', class: 'quote', hidden: true }, name, text);
  let shownId: string | undefined;
  on(element, 'click', () => {
    if (shownId !== undefined) jumpTo(shownId);
  });
  const show = (message: Message | undefined): void => {
    const who = message === undefined ? '' : message.senderId === userId ? 'You' : nameOf(message.senderId);
    setText(name, who);
    setText(text, message === undefined ? 'A message' : summaryOf(message));
    setAttributes(element, {
      'aria-label':
        message === undefined ? 'Go to the answered message' : `Answer to ${who}: ${summaryOf(message)}. Go there`,
    });
  };
  const changed = (message: Message): void => {
    if (message.id === shownId) show(message);
  };
  return {
    element,
    update(id) {
      element.hidden = id === undefined;
      if (id === shownId) return;
      shownId = id;
      if (id === undefined) return;
      show(undefined);
      void quotes.get(id).then((message) => id === shownId && show(message));
      client.on('message:updated', changed, { signal });
    },
  };
}
