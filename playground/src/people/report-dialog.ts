import type { Message } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { h, on } from '../lib/dom.ts';
import { MODERATOR, nameOf, summaryOf } from '../lib/people.ts';
import { button } from '../ui/button.ts';
import { dialogActions, openDialog } from '../ui/dialog.ts';
import { attempt, toast } from '../ui/toast.ts';

export const REPORT_REASONS = [
  ['spam', 'Spam or fraud'],
  ['abuse', 'Insult or harassment'],
  ['illegal', 'Illegal content'],
  ['other', 'Something else'],
] as const;

/** Opens the dialog that reports a message to the people who run the app. */
export function reportMessage({ client }: Session, message: Message): void {
  const { conversationId, id: messageId, senderId } = message;
  const reason = h(
    'select',
    { class: 'field', id: 'report-reason' },
    ...REPORT_REASONS.map(([value, label]) => h('option', { value }, label)),
  );
  const comment = h('textarea', { class: 'field', id: 'report-comment', rows: 3, maxlength: 2_000 });
  const include = h('input', { type: 'checkbox', class: 'person-check' });
  const form = h(
    'form',
    { class: 'stack' },
    h('p', { class: 'forward-quote', dir: 'auto' }, `${nameOf(senderId)}: ${summaryOf(message)}`),
    h('p', { class: 'muted' }, `Reports go to the moderator: sign in as “${MODERATOR}” to see them.`),
    h('div', { class: 'labelled' }, h('label', { for: 'report-reason' }, 'What is wrong?'), reason),
    h('div', { class: 'labelled' }, h('label', { for: 'report-comment' }, 'Comment (optional)'), comment),
    message.encrypted === true &&
      h(
        'label',
        { class: 'switch-line' },
        include,
        h('span', {}, 'Add the decrypted text, which the server can then read'),
      ),
  );
  const dialog = openDialog('Report this message', form);
  form.append(
    dialogActions(
      button({ label: 'Cancel' }, dialog.close),
      h('button', { type: 'submit', class: 'button button-danger' }, 'Report'),
    ),
  );
  on(form, 'submit', (event) => {
    event.preventDefault();
    const text = comment.value.trim();
    const report = {
      conversationId,
      messageId,
      reason: reason.value,
      ...(text !== '' && { comment: text }),
      ...(include.checked && { includeContent: true }),
    };
    dialog.close();
    void attempt(
      'The message was not reported',
      client.messages.report(report).then(() => toast('Reported')),
    );
  });
}
