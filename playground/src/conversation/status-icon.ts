import type { MessageStatus } from 'lumen-comm';
import { h } from '../lib/dom.ts';
import { icon, type IconName } from '../lib/icons.ts';

const STATUS: Readonly<Record<MessageStatus, { icon: IconName; label: string }>> = {
  sending: { icon: 'clock', label: 'Sending' },
  sent: { icon: 'check', label: 'Sent' },
  delivered: { icon: 'check-double', label: 'Delivered' },
  read: { icon: 'check-double', label: 'Read' },
  failed: { icon: 'failed', label: 'Not sent' },
};

/** How far a message of one's own has come. */
export function statusIcon(status: MessageStatus): HTMLElement {
  const { icon: name, label } = STATUS[status];
  return h(
    'span',
    { class: 'status', role: 'img', 'aria-label': label, title: label, 'data-status': status },
    icon(name, 15),
  );
}
