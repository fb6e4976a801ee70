import type { Message, Reaction } from 'lumen-comm';
import { h, hiddenText, on, setAttributes, setText } from '../lib/dom.ts';
import { listNames } from '../lib/format.ts';
import { KeyedList, type ItemView } from '../lib/keyed-list.ts';
import { nameOf } from '../lib/people.ts';
import type { MessageCommands } from './message-commands.ts';

/** The reactions to a message; a click adds or removes the user's own. */
export function reactionBar(
  ownId: string,
  commands: MessageCommands,
): { element: HTMLElement; update(message: Message): void } {
  const element = h('div', { class: 'reactions', role: 'group', 'aria-label': 'Reactions', hidden: true });
  let held: Message | undefined;
  const list = new KeyedList<Reaction>(
    element,
    ({ emoji }) => emoji,
    ({ emoji }) => reaction(emoji),
  );

  function reaction(emoji: string): ItemView<Reaction> {
    const number = h('span', { class: 'reaction-count', 'aria-hidden': 'true' });
    const by = hiddenText('');
    const chip = h(
      'button',
      { type: 'button', class: 'reaction' },
      h('span', { class: 'reaction-emoji' }, emoji),
      by,
      number,
    );
    on(chip, 'click', () => {
      if (held !== undefined) commands.react(held, emoji);
    });
    return {
      element: chip,
      update({ count, users, unauthenticated = [] }) {
        const names = users.map((id) => {
          const name = id === ownId ? 'You' : nameOf(id);
          return unauthenticated.includes(id) ? `${name} (only the server says so)` : name;
        });
        setText(by, ` by ${listNames(names, 6)}`);
        setText(number, String(count));
        setAttributes(chip, {
          'aria-pressed': String(users.includes(ownId)),
          'data-unconfirmed': unauthenticated.length > 0,
          title: listNames(names, 6),
        });
      },
    };
  }
  return {
    element,
    update(message) {
      held = message;
      const reactions = message.deletedAt === undefined ? (message.reactions ?? []) : [];
      element.hidden = reactions.length === 0;
      list.render(reactions);
    },
  };
}
