import type { Conversation } from 'lumen-comm';
import { knownPeople } from '../app/known-people.ts';
import type { Session } from '../app/session.ts';
import { h, on } from '../lib/dom.ts';
import { button } from '../ui/button.ts';
import { dialogActions, openDialog } from '../ui/dialog.ts';
import { peopleField } from '../ui/people-field.ts';
import { attempt } from '../ui/toast.ts';

export function renameGroup({ client }: Session, conversation: Conversation | undefined): void {
  if (conversation === undefined) return;
  const name = h('input', {
    class: 'field',
    'aria-label': 'Group name',
    required: true,
    maxlength: 200,
    value: conversation.name,
    autocomplete: 'off',
  });
  const form = h('form', { class: 'stack' }, name);
  const dialog = openDialog('Rename group', form);
  form.append(
    dialogActions(
      button({ label: 'Cancel' }, dialog.close),
      h('button', { type: 'submit', class: 'button button-primary' }, 'Rename'),
    ),
  );
  name.select();
  on(form, 'submit', (event) => {
    event.preventDefault();
    const wanted = name.value.trim();
    if (wanted === '') return;
    dialog.close();
    void attempt('The group was not renamed', client.conversations.update(conversation.id, { name: wanted }));
  });
}

export function addMembers(session: Session, conversation: Conversation | undefined): void {
  if (conversation === undefined) return;
  const people = peopleField(
    knownPeople(session),
    conversation.participants.map(({ userId }) => userId),
  );
  const form = h('form', { class: 'stack' }, people.element);
  const dialog = openDialog('Add people', form);
  form.append(
    dialogActions(
      button({ label: 'Cancel' }, dialog.close),
      h('button', { type: 'submit', class: 'button button-primary' }, 'Add'),
    ),
  );
  on(form, 'submit', (event) => {
    event.preventDefault();
    people.add();
    const userIds = people.chosen.value;
    if (userIds.length === 0) return;
    dialog.close();
    void attempt('The people were not added', session.client.conversations.addParticipants(conversation.id, userIds));
  });
}
