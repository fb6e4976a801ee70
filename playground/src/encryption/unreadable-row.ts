import type { DecryptionFailure, Message } from 'lumen-comm';
import { h } from '../lib/dom.ts';

const REASONS: Readonly<Record<DecryptionFailure, string>> = {
  'unknown-session': 'Its keys are not in this browser any more. New ones are on the way.',
  'unknown-prekey': 'Its keys are not in this browser any more. New ones are on the way.',
  'no-sender-key': 'You have not been given the key for it. It may still come.',
  gap: 'You have missed many messages before it. They are being read.',
  'identity-changed': 'Its sender has another key than before. Look at the warning above.',
  'not-for-us': 'It was encrypted for another browser of yours.',
  replayed: 'It is a copy of another message.',
  misplaced: 'It says that it belongs to another chat.',
  'not-encrypted': 'It was not encrypted, although messages here are. The server may have changed or invented it.',
  unsupported: 'It was sent by a newer version of this app. Update to read it.',
  locked: 'The keys in this browser can not be opened.',
  invalid: 'It is damaged or forged.',
};

/** The content of a message that can't be decrypted, with the reason. */
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
