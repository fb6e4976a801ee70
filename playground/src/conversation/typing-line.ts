import type { ConversationView } from 'lumen-comm';
import { h, setAttributes, setText } from '../lib/dom.ts';
import { listNames } from '../lib/format.ts';
import { nameOf } from '../lib/people.ts';
import { watch } from '../lib/watch.ts';

export function typingLine(view: ConversationView, signal: AbortSignal): HTMLElement {
  const text = h('span', {});
  const dots = h('span', { class: 'typing-dots', 'aria-hidden': 'true' }, h('i'), h('i'), h('i'));
  const element = h('div', { class: 'typing-line', role: 'status' }, dots, text);
  watch(
    [view.subscribe],
    () => {
      const { typing } = view.getSnapshot();
      setAttributes(element, { 'data-shown': typing.length > 0 });
      setText(
        text,
        typing.length === 0 ? '' : `${listNames(typing.map(nameOf))} ${typing.length === 1 ? 'is' : 'are'} typing…`,
      );
    },
    signal,
  );
  return element;
}
