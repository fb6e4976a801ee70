import type { Session } from '../app/session.ts';
import { h, on } from '../lib/dom.ts';
import { knownPeople } from '../app/known-people.ts';
import { watch } from '../lib/watch.ts';
import { button } from '../ui/button.ts';
import { dialogActions, openDialog } from '../ui/dialog.ts';
import { attempt } from '../ui/toast.ts';
import { peopleField } from '../ui/people-field.ts';

/** Opens the dialog for a new chat: direct with one person, a group with several. */
export function newChat(session: Session): void {
  const { client, userId, route } = session;
  const people = peopleField(knownPeople(session), [userId]);
  const name = h('input', {
    class: 'field',
    id: 'group-name',
    maxlength: 200,
    placeholder: 'For example “Weekend hike”',
    autocomplete: 'off',
  });
  const nameField = h(
    'div',
    { class: 'labelled', hidden: true },
    h('label', { for: 'group-name' }, 'Group name (optional)'),
    name,
  );
  const create = h('button', { type: 'submit', class: 'button button-primary' }, 'Start chat');
  const form = h('form', { class: 'stack' }, people.element, nameField);
  const dialog = openDialog('New chat', form);
  form.append(dialogActions(button({ label: 'Cancel' }, dialog.close), create));
  watch(
    [people.chosen.subscribe],
    () => {
      const isGroup = people.chosen.value.length > 1;
      nameField.hidden = !isGroup;
      create.textContent = isGroup ? 'Create group' : 'Start chat';
    },
    dialog.signal,
  );
  on(form, 'submit', (event) => {
    event.preventDefault();
    people.add();
    const participantIds = people.chosen.value;
    if (participantIds.length === 0) return;
    const title = name.value.trim();
    const isGroup = participantIds.length > 1;
    create.disabled = true;
    create.textContent = client.status === 'connected' ? 'Starting…' : 'Waiting for connection…';
    const request = isGroup
      ? ({ type: 'group', participantIds, ...(title !== '' && { name: title }) } as const)
      : ({ type: 'direct', participantIds } as const);
    const creating = client.conversations.create(request, { signal: dialog.signal });
    void attempt('The chat could not be started', creating, dialog.signal).then((made) => {
      create.disabled = false;
      create.textContent = isGroup ? 'Create group' : 'Start chat';
      if (made === undefined) return;
      dialog.close();
      route.open(made.id);
    });
  });
}
