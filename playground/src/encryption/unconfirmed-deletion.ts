import type { Message } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { h, setChildren } from '../lib/dom.ts';
import { richText } from '../lib/rich-text.ts';
import { button } from '../ui/button.ts';
import { attempt } from '../ui/toast.ts';

/** The content of an encrypted message of which only the server says that it was deleted. Its text is shown on demand. */
export function unconfirmedDeletion({ client }: Session, { id }: Message): Node[] {
  const text = h(
    'span',
    { class: 'unreadable' },
    h('strong', {}, 'This message was deleted'),
    h('span', {}, 'Only the server says so. Its sender has not confirmed it.'),
  );
  const show = async (): Promise<void> => {
    const kept = await client.encryption.keptMessage(id);
    setChildren(text, ...(kept === undefined ? ['Its text is not in this browser.'] : richText(kept.content)));
  };
  text.append(
    button({ label: 'Show', class: 'button-small' }, () => void attempt('The message could not be shown', show())),
  );
  return [text];
}
