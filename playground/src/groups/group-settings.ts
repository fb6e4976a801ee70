import type { Conversation } from 'lumen-comm';
import { LIMITS } from 'lumen-comm/protocol';
import type { Session } from '../app/session.ts';
import { h, on, type Child } from '../lib/dom.ts';
import { button } from '../ui/button.ts';
import { dialogActions, openDialog } from '../ui/dialog.ts';
import { picturePicker } from '../ui/picture-picker.ts';
import { attempt } from '../ui/toast.ts';
import { pauseText } from './group-rules.ts';

const PAUSES = [0, 10, 60, 300, 3_600];

/** Opens the settings of a group, for its owner and admins. */
export function editGroup({ client }: Session, conversation: Conversation): void {
  const { id, description = '', avatarUrl, visibility, frozen = false, slowModeSeconds = 0 } = conversation;
  const about = h('textarea', { class: 'field', id: 'group-about', rows: 3, maxlength: LIMITS.descriptionLength });
  about.value = description;
  const picture = picturePicker(avatarUrl);
  const isPublic = choice(visibility === 'public');
  const isFrozen = choice(frozen);
  const pauses = [...new Set([...PAUSES, slowModeSeconds])].sort((a, b) => a - b);
  const pause = h(
    'select',
    { class: 'field', id: 'group-pause' },
    ...pauses.map((seconds) =>
      h(
        'option',
        { value: seconds, selected: seconds === slowModeSeconds },
        seconds === 0 ? 'Off' : pauseText(seconds),
      ),
    ),
  );
  const save = h('button', { type: 'submit', class: 'button button-primary' }, 'Save');
  const form = h(
    'form',
    { class: 'stack' },
    h('div', { class: 'labelled' }, h('label', { for: 'group-about' }, 'Description'), about),
    picture.element,
    line(isPublic, 'Public: everyone can find and join this group'),
    line(isFrozen, 'Only owner and admins can write'),
    h('div', { class: 'labelled' }, h('label', { for: 'group-pause' }, 'Slow mode: pause between two messages'), pause),
  );
  const dialog = openDialog('Group settings', form);
  form.append(dialogActions(button({ label: 'Cancel' }, dialog.close), save));
  on(form, 'submit', (event) => {
    event.preventDefault();
    save.disabled = true;
    const request = client.conversations.update(id, {
      description: about.value.trim() || null,
      avatarUrl: picture.chosen() ?? null,
      visibility: isPublic.checked ? 'public' : 'private',
      frozen: isFrozen.checked,
      slowModeSeconds: Number(pause.value) || null,
    });
    void attempt('The settings were not saved', request, dialog.signal).then((saved) => {
      save.disabled = false;
      if (saved !== undefined) dialog.close();
    });
  });
}

function choice(checked: boolean): HTMLInputElement {
  return h('input', { type: 'checkbox', role: 'switch', class: 'switch', checked });
}

function line(box: HTMLElement, ...label: readonly Child[]): HTMLElement {
  return h('label', { class: 'switch-line' }, h('span', {}, ...label), box);
}
