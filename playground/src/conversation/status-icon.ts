import type { MessageStatus } from 'lumen-comm';
import { h, setAttributes } from '../lib/dom.ts';
import { setIcon, type IconName } from '../lib/icons.ts';

const STATUS: Readonly<Record<MessageStatus, { icon: IconName; label: string }>> = {
  sending: { icon: 'clock', label: 'Sending' },
  sent: { icon: 'check', label: 'Sent' },
  delivered: { icon: 'check-double', label: 'Delivered' },
  read: { icon: 'check-double', label: 'Read' },
  failed: { icon: 'failed', label: 'Not sent' },
};

/** The delivery status of an own message. One element for all statuses, because a status may change while it is pressed. */
export function statusIcon(): { element: HTMLElement; update(status: MessageStatus): void } {
  const element = h('span', { class: 'status', role: 'img' });
  return {
    element,
    update(status) {
      const { icon, label } = STATUS[status];
      setAttributes(element, { 'aria-label': label, title: label, 'data-status': status });
      setIcon(element, icon, 15);
    },
  };
}
