import { h, on } from '../lib/dom.ts';
import { icon } from '../lib/icons.ts';
import { KeyedList } from '../lib/keyed-list.ts';
import { nameOf, personId } from '../lib/people.ts';
import { Cell } from '../lib/watch.ts';
import { personAvatar } from './avatar.ts';

/** Selects people by typing a name or from a list of known people. Enter adds a name, Backspace removes the last one. */
export function peopleField(
  known: readonly string[],
  excluded: readonly string[],
): { element: HTMLElement; chosen: Cell<readonly string[]>; add: () => void } {
  const chosen = new Cell<readonly string[]>([]);
  const chips = h('ul', { class: 'chips', 'aria-label': 'Chosen' });
  const input = h('input', {
    class: 'chips-input',
    'aria-label': 'Names of people',
    placeholder: 'Type a name, press Enter',
    autocomplete: 'off',
    autocapitalize: 'off',
    spellcheck: 'false',
    maxlength: 64,
    autofocus: true,
  });
  const box = h('div', { class: 'field chips-box' }, chips, input);
  const options = h('ul', { class: 'people people-options', 'aria-label': 'People you know' });
  const list = new KeyedList<string>(
    chips,
    (id) => id,
    (id) => ({ element: chip(id), update: () => undefined }),
  );

  const toggle = (id: string, isOn: boolean): void => {
    const rest = chosen.value.filter((each) => each !== id);
    chosen.set(isOn ? [...rest, id] : rest);
  };
  const add = (): void => {
    for (const typed of input.value.split(',')) {
      const id = personId(typed);
      if (id !== '' && !excluded.includes(id)) toggle(id, true);
    }
    input.value = '';
  };
  function chip(id: string): HTMLElement {
    const name = nameOf(id);
    const remove = h(
      'button',
      { type: 'button', class: 'chip', 'aria-label': `Remove ${name}` },
      name,
      icon('close', 14),
    );
    on(remove, 'click', () => {
      toggle(id, false);
      input.focus();
    });
    return h('li', {}, remove);
  }
  on(input, 'keydown', (event) => {
    if ((event.key === 'Enter' && input.value.trim() !== '') || event.key === ',') {
      event.preventDefault();
      add();
    } else if (event.key === 'Backspace' && input.value === '') {
      const last = chosen.value.at(-1);
      if (last !== undefined) toggle(last, false);
    }
  });
  on(box, 'click', () => input.focus());
  const boxes = known
    .filter((id) => !excluded.includes(id))
    .map((id) => {
      const check = h('input', { type: 'checkbox', class: 'person-check' });
      on(check, 'change', () => toggle(id, check.checked));
      options.append(
        h('li', {}, h('label', { class: 'person-link' }, personAvatar(id), h('span', {}, nameOf(id)), check)),
      );
      return [id, check] as const;
    });
  chosen.subscribe(() => {
    list.render(chosen.value);
    for (const [id, check] of boxes) check.checked = chosen.value.includes(id);
  });
  return { element: h('div', { class: 'people-field' }, box, options), chosen, add };
}
