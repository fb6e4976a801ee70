import type { Session } from '../app/session.ts';
import { h, on } from '../lib/dom.ts';
import { nameOf } from '../lib/people.ts';
import { profileOf } from '../lib/profiles.ts';
import { button } from '../ui/button.ts';
import { dialogActions, openDialog } from '../ui/dialog.ts';
import { picturePicker } from '../ui/picture-picker.ts';
import { attempt } from '../ui/toast.ts';

const MAX_NAME = 100;

/** Opens the dialog for this user's name and picture. */
export function editProfile({ client, userId }: Session): void {
  const name = h('input', {
    class: 'field',
    id: 'profile-name',
    required: true,
    maxlength: MAX_NAME,
    value: nameOf(userId),
    autocomplete: 'off',
  });
  const picture = picturePicker(profileOf(userId)?.picture);
  const save = h('button', { type: 'submit', class: 'button button-primary' }, 'Save');
  const form = h(
    'form',
    { class: 'stack' },
    h('div', { class: 'labelled' }, h('label', { for: 'profile-name' }, 'Name'), name),
    picture.element,
  );
  const dialog = openDialog('Your profile', form);
  form.append(dialogActions(button({ label: 'Cancel' }, dialog.close), save));
  name.select();
  on(form, 'submit', (event) => {
    event.preventDefault();
    const displayName = name.value.trim();
    if (displayName === '') return;
    save.disabled = true;
    const change = { displayName, avatarUrl: picture.chosen() ?? null };
    void attempt('Your profile was not saved', client.users.update(change), dialog.signal).then((saved) => {
      save.disabled = false;
      if (saved !== undefined) dialog.close();
    });
  });
}
