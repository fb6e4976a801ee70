import { isCommError } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { h, on, setChildren, setText } from '../lib/dom.ts';
import { icon } from '../lib/icons.ts';
import { nameOf } from '../lib/people.ts';
import { watch } from '../lib/watch.ts';
import { button } from '../ui/button.ts';
import { dialogActions, openDialog } from '../ui/dialog.ts';
import { attempt, reasonOf, toast } from '../ui/toast.ts';
import { qrPicture } from './qr-picture.ts';
import { startQrScanner } from './qr-scanner.ts';

/** Shows the safety number and the QR code of a user, and verifies a scanned one. */
export function compareSafety(session: Session, otherId: string): void {
  const name = nameOf(otherId);
  const dialog = openDialog(
    `Compare keys with ${name}`,
    h('div', { class: 'spinner', role: 'img', 'aria-label': 'Loading' }),
  );
  const fill = async (): Promise<void> => {
    const { encryption } = session.client;
    const { signal } = dialog;
    try {
      const [digits, code] = await Promise.all([
        encryption.safetyNumber(otherId, { signal }),
        encryption.qr(otherId, { signal }),
      ]);
      setChildren(dialog.body, content(session, otherId, { digits, code }, dialog.close, signal));
    } catch (error) {
      if (signal.aborted) return;
      const hasNone = isCommError(error) && error.code === 'E2EE_NO_KEYS';
      const text = hasNone
        ? `Nothing is known of ${name}’s keys yet. Write an encrypted message first.`
        : `The keys could not be shown: ${reasonOf(error)}.`;
      setChildren(dialog.body, h('p', {}, text), dialogActions(button({ label: 'Close' }, dialog.close)));
    }
  };
  void fill();
}

function content(
  session: Session,
  otherId: string,
  { digits, code }: { digits: string; code: string },
  close: () => void,
  signal: AbortSignal,
): HTMLElement {
  const { keys } = session;
  const name = nameOf(otherId);
  const groups = digits.replaceAll(/\s/g, '').match(/\d{5}/g) ?? [];
  const said = h('p', { class: 'safety-said', role: 'status' });
  const state = h('p', { class: 'safety-state' });
  const scanned = h('input', {
    class: 'field',
    id: 'safety-scanned',
    placeholder: 'NKC1:…',
    autocomplete: 'off',
    spellcheck: 'false',
  });
  const form = h(
    'form',
    { class: 'labelled' },
    h('label', { for: 'safety-scanned' }, `Code from ${name}’s screen`),
    h('div', { class: 'safety-line' }, scanned, h('button', { type: 'submit', class: 'button' }, 'Compare')),
  );
  const compare = async (code: string): Promise<void> => {
    const isSame = await attempt('The codes could not be compared', keys.verifyQr(otherId, code), signal);
    if (isSame !== undefined)
      setText(said, isSame ? '' : `This is not what ${name} should see. Someone may be intercepting the messages.`);
    said.dataset['kind'] = isSame === false ? 'bad' : 'good';
  };
  on(form, 'submit', (event) => {
    event.preventDefault();
    if (scanned.value.trim() !== '') void compare(scanned.value.trim());
  });
  const scan = button({ label: 'Scan with the camera', icon: 'camera', class: 'button-small' }, () => {
    const scanner = startQrScanner(signal);
    setText(said, '');
    scan.hidden = true;
    scan.after(scanner.element);
    scanner.element.querySelector('button')?.focus();
    const run = async (): Promise<void> => {
      try {
        const code = await scanner.found;
        if (code !== undefined) await compare(code);
      } catch {
        setText(said, 'The camera can not be used. Allow it at the left of the address, or paste the code below.');
        said.dataset['kind'] = 'bad';
      }
      scan.hidden = false;
      if (scan.checkVisibility()) scan.focus();
    };
    void run();
  });
  const comparing = h('div', { class: 'stack' }, scan, form);
  const accept = button({ label: 'Accept the new key' }, () => {
    const change = keys.changes.value.get(otherId);
    if (change !== undefined) void attempt('The key could not be accepted', keys.accept(change), signal);
  });
  const verify = button({ label: 'They are the same', icon: 'shield', class: 'button-primary' }, () => {
    void attempt('The key could not be marked', keys.verify(otherId, digits), signal);
  });
  watch(
    [keys.subscribe],
    () => {
      const trust = keys.trustOf(otherId);
      accept.hidden = trust !== 'changed';
      verify.hidden = trust === 'verified' || trust === 'changed';
      comparing.hidden = trust === 'verified' || trust === 'changed';
      const text =
        trust === 'verified'
          ? `You have verified ${name}’s key.`
          : trust === 'changed'
            ? `${name} seems to have a new key. Below is the one you know. Accept the new one only if ${name} confirms it.`
            : '';
      state.dataset['trust'] = trust;
      setChildren(state, trust === 'verified' && icon('shield', 18), text);
    },
    signal,
  );
  const copy = button({ label: 'Copy the code', icon: 'copy', class: 'button-small' }, () => {
    navigator.clipboard.writeText(code).then(
      () => toast('Copied'),
      () => toast('The browser did not allow to copy'),
    );
  });
  return h(
    'div',
    { class: 'stack' },
    state,
    h(
      'p',
      { class: 'muted' },
      `Compare this with ${name} over another channel than this chat. If both see the same, no one is intercepting the messages.`,
    ),
    h('ol', { class: 'digits', 'aria-label': 'Safety number' }, ...groups.map((group) => h('li', {}, group))),
    h('div', { class: 'safety-code' }, qrPicture(code, `Code for ${name}`), copy),
    comparing,
    said,
    dialogActions(button({ label: 'Close' }, close), accept, verify),
  );
}
