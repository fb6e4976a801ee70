import { h, on } from '../lib/dom.ts';
import { popover } from '../ui/menu.ts';

const EMOJI: readonly [emoji: string, name: string][] = [
  ['👍', 'Thumbs up'],
  ['❤️', 'Heart'],
  ['😂', 'Laughing'],
  ['😮', 'Surprised'],
  ['😢', 'Sad'],
  ['🙏', 'Thank you'],
  ['🎉', 'Party'],
  ['🔥', 'Fire'],
];

/** A popover with a set of reactions; arrow keys move between them. @param own - the reactions that are chosen already */
export function pickReaction(anchor: HTMLElement, own: readonly string[], choose: (emoji: string) => void): void {
  const element = h('div', { class: 'reaction-picker', role: 'toolbar', 'aria-label': 'React with' });
  const held = popover(anchor, element);
  const buttons = EMOJI.map(([emoji, name], at) => {
    const choice = h(
      'button',
      {
        type: 'button',
        class: 'reaction-choice',
        'aria-label': name,
        title: name,
        'aria-pressed': String(own.includes(emoji)),
        tabindex: at === 0 ? 0 : -1,
      },
      emoji,
    );
    return on(choice, 'click', () => {
      held.close();
      choose(emoji);
    });
  });
  element.append(...buttons);
  on(element, 'keydown', (event) => {
    const at = buttons.findIndex((each) => each === document.activeElement);
    const next = {
      ArrowRight: buttons[(at + 1) % buttons.length],
      ArrowLeft: buttons.at(at - 1),
      Home: buttons[0],
      End: buttons.at(-1),
    }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    next.focus();
  });
  held.open();
  buttons[0]?.focus();
}
