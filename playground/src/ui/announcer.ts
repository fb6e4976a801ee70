import { h } from '../lib/dom.ts';

/** Live region for screen readers (`aria-live="polite"`): announcements are read in order. */
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
