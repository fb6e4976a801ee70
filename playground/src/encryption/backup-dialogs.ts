import type { Session } from '../app/session.ts';
import { h, on, setText } from '../lib/dom.ts';
import { button } from '../ui/button.ts';
import { dialogActions, openDialog } from '../ui/dialog.ts';
import { reasonOf, toast } from '../ui/toast.ts';

/** Passphrases from this length on take years to guess. */
const MIN_LENGTH = 8;

/** Exports the keys to a file that is encrypted under a passphrase. */
export function backUp({ client, userId }: Session): void {
  const passphrase = secretField('backup-passphrase', 'new-password');
  const again = secretField('backup-again', 'new-password');
  const history = h('input', { type: 'checkbox', role: 'switch', class: 'switch', checked: true });
  const said = h('p', { class: 'form-problem', role: 'alert' });
  const submit = h('button', { type: 'submit', class: 'button button-primary' }, 'Save the backup');
  const form = h(
    'form',
    { class: 'stack' },
    h(
      'p',
      { class: 'muted' },
      'With this file and its passphrase you can read and write encrypted messages in another browser. It can not be opened without the passphrase.',
    ),
    h('div', { class: 'labelled' }, h('label', { for: 'backup-passphrase' }, 'Passphrase'), passphrase),
    h('div', { class: 'labelled' }, h('label', { for: 'backup-again' }, 'The same again'), again),
    h('label', { class: 'switch-line' }, h('span', {}, 'With the messages read here'), history),
    said,
  );
  const dialog = openDialog('Back up your keys', form);
  form.append(dialogActions(button({ label: 'Cancel' }, dialog.close), submit));
  on(form, 'submit', (event) => {
    event.preventDefault();
    if (passphrase.value.length < MIN_LENGTH) return setText(said, `Take at least ${MIN_LENGTH} characters.`);
    if (passphrase.value !== again.value) return setText(said, 'The two are not the same.');
    const save = async (): Promise<void> => {
      submit.disabled = true;
      setText(said, '');
      try {
        const options = { history: history.checked, signal: dialog.signal };
        const bytes = await client.encryption.exportBackup(passphrase.value, options);
        download(bytes, `lumen-comm-${userId}.backup`);
        dialog.close();
        toast('The backup was saved');
      } catch (error) {
        if (!dialog.signal.aborted) setText(said, `The backup was not made: ${reasonOf(error)}.`);
      } finally {
        submit.disabled = false;
      }
    };
    void save();
  });
}

/** Imports the keys of a backup file. */
export function restore({ keys }: Session): void {
  const file = h('input', { type: 'file', id: 'restore-file', class: 'field', accept: '.backup', required: true });
  const passphrase = secretField('restore-passphrase', 'current-password');
  const said = h('p', { class: 'form-problem', role: 'alert' });
  const submit = h('button', { type: 'submit', class: 'button button-primary' }, 'Restore');
  const form = h(
    'form',
    { class: 'stack' },
    h('div', { class: 'labelled' }, h('label', { for: 'restore-file' }, 'Backup'), file),
    h('div', { class: 'labelled' }, h('label', { for: 'restore-passphrase' }, 'Passphrase'), passphrase),
    said,
  );
  const dialog = openDialog('Restore your keys', form);
  form.append(dialogActions(button({ label: 'Cancel' }, dialog.close), submit));
  on(form, 'submit', (event) => {
    event.preventDefault();
    const chosen = file.files?.[0];
    if (chosen === undefined) return setText(said, 'Choose the file.');
    const read = async (): Promise<void> => {
      submit.disabled = true;
      setText(said, '');
      try {
        await keys.restore(new Uint8Array(await chosen.arrayBuffer()), passphrase.value);
        dialog.close();
        toast('Your keys are back');
      } catch (error) {
        if (!dialog.signal.aborted) setText(said, `The backup was not restored: ${reasonOf(error)}.`);
      } finally {
        submit.disabled = false;
      }
    };
    void read();
  });
}

function secretField(id: string, autocomplete: 'new-password' | 'current-password'): HTMLInputElement {
  return h('input', {
    type: 'password',
    id,
    class: 'field',
    autocomplete,
    required: true,
    autofocus: id === 'backup-passphrase',
  });
}

function download(bytes: Uint8Array, name: string): void {
  const url = URL.createObjectURL(new Blob([new Uint8Array(bytes)]));
  h('a', { href: url, download: name }).click();
  // By then the browser has read the blob.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}
