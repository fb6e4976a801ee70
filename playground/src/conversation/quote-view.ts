import type { Message } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { h, hiddenText, on, setText } from '../lib/dom.ts';
import { nameOf, summaryOf } from '../lib/people.ts';
import type { MessageCommands } from './message-commands.ts';

export interface QuoteView {
  readonly element: HTMLElement;
  update(messageId: string | undefined): void;
  dispose(): void;
}

/** Shows the quoted message of a reply; a click jumps to it. */
export function quoteView({ quotes, client, userId }: Session, { jumpTo }: MessageCommands): QuoteView {
  const name = h('strong', {});
  const text = h('span', { dir: 'auto' });
  const before = hiddenText('');
  const after = hiddenText('Go to the quoted message');
  const element = h('button', { type: 'button', class: 'quote', hidden: true }, before, name, text, after);
  let shownId: string | undefined;
  let stop = (): void => undefined;
  on(element, 'click', () => {
    if (shownId !== undefined) jumpTo(shownId);
  });
  const show = (message: Message | undefined): void => {
    const who = message === undefined ? '' : message.senderId === userId ? 'You' : nameOf(message.senderId);
    const summary = message === undefined ? 'Message' : summaryOf(message);
    setText(name, who);
    setText(text, summary);
    setText(before, message === undefined ? '' : 'Reply to');
  };
  return {
    element,
    update(id) {
      element.hidden = id === undefined;
      if (id === shownId) return;
      shownId = id;
      stop();
      if (id === undefined) return;
      show(undefined);
      void quotes.get(id).then((message) => id === shownId && show(message));
      stop = client.on('message:updated', (message) => {
        if (message.id === shownId) show(message);
      });
    },
    dispose: () => stop(),
  };
}
