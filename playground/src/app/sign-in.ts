import { h, on, setAttributes } from '../lib/dom.ts';
import { icon } from '../lib/icons.ts';
import { nameOf, personId, SUGGESTED_PEOPLE } from '../lib/people.ts';
import { avatar } from '../ui/avatar.ts';
import { logo } from '../ui/logo.ts';

export function addressOf(userId: string): string {
  return `${location.pathname}?user=${encodeURIComponent(userId)}`;
}

/** Shows the sign-in page. The playground has no passwords: the server accepts every name. */
export function showSignIn(root: HTMLElement): void {
  const input = h('input', {
    id: 'name',
    name: 'user',
    class: 'field',
    required: true,
    maxlength: 64,
    autocomplete: 'off',
    autocapitalize: 'off',
    spellcheck: 'false',
    placeholder: 'Your name',
  });
  const submit = h('button', { class: 'button button-primary', type: 'submit' }, 'Start chatting');
  const form = h('form', { class: 'sign-in-form' }, h('label', { for: 'name' }, 'Who are you?'), input, submit);
  on(form, 'submit', (event) => {
    event.preventDefault();
    const id = personId(input.value);
    setAttributes(input, { 'aria-invalid': id === '' });
    if (id !== '') location.assign(addressOf(id));
  });
  const suggestions = SUGGESTED_PEOPLE.map((id) =>
    h(
      'li',
      {},
      h(
        'a',
        { class: 'person-link', href: addressOf(id) },
        avatar(nameOf(id), 'medium', id),
        h('span', {}, nameOf(id)),
      ),
      h(
        'a',
        {
          class: 'icon-button',
          href: addressOf(id),
          target: '_blank',
          'aria-label': `${nameOf(id)} in a new window`,
          title: 'Open in a new window',
        },
        icon('window'),
      ),
    ),
  );
  root.replaceChildren(
    h(
      'main',
      { class: 'sign-in' },
      h(
        'div',
        { class: 'sign-in-card' },
        h('div', { class: 'sign-in-brand' }, logo(), h('h1', {}, 'lumen-comm')),
        h(
          'p',
          { class: 'muted' },
          'Open this page in two windows, sign in as two people and send messages between them.',
        ),
        form,
        h('h2', { class: 'sign-in-or', id: 'suggestions' }, 'or sign in as'),
        h('ul', { class: 'people', 'aria-labelledby': 'suggestions' }, ...suggestions),
      ),
    ),
  );
  document.title = 'lumen-comm playground';
  input.focus();
}
