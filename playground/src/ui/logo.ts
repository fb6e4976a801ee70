import { h } from '../lib/dom.ts';

export function logo(): HTMLElement {
  return h('img', { class: 'logo', src: '/favicon.svg', alt: '', width: 32, height: 32 });
}
