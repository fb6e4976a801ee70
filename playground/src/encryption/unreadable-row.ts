import type { DecryptionFailure, Message } from 'lumen-comm';
import { h } from '../lib/dom.ts';

const REASONS: Readonly<Record<DecryptionFailure, string>> = {
  'unknown-session': 'Its keys are not in this browser any more. New ones are on the way.',
  'unknown-prekey': 'Its keys are not in this browser any more. New ones are on the way.',
  'no-sender-key': 'You have not been given the key for it. It may still come.',
  'identity-changed': 'Its sender has another key than before. Look at the warning above.',
  'not-for-us': 'It was encrypted for another browser of yours.',
  replayed: 'It is a copy of another message.',
  misplaced: 'It says that it belongs to another chat.',
  locked: 'The keys in this browser can not be opened.',
  invalid: 'It is damaged or forged.',
};

/** A message that can't be read here, and why. */
export function unreadableRow({ undecrypted }: Message): Node[] {
  if (undecrypted === undefined) return [h('em', {}, 'Decrypting…')];
  return [
    h(
      'span',
      { class: 'unreadable' },
      h('strong', {}, 'This message can not be read'),
      h('span', {}, REASONS[undecrypted] ?? ''),
    ),
  ];
}
