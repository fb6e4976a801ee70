import { h } from '../lib/dom.ts';

/** What screen readers are told, politely and in the order it happens. */
const region = h('div', {
  class: 'visually-hidden',
  role: 'log',
  'aria-live': 'polite',
  'aria-label': 'Announcements',
});
const KEPT = 5;

export function startAnnouncer(): void {
  document.body.append(region);
}

export function announce(text: string): void {
  region.append(h('p', {}, text));
  while (region.childElementCount > KEPT) region.firstElementChild?.remove();
}
