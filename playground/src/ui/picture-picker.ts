import { h } from '../lib/dom.ts';

const PICTURES = [
  ['/pictures/mountain.svg', 'Mountain'],
  ['/pictures/wave.svg', 'Wave'],
  ['/pictures/leaf.svg', 'Leaf'],
  ['/pictures/night.svg', 'Night'],
  ['/pictures/cat.svg', 'Cat'],
  ['/pictures/flower.svg', 'Flower'],
] as const;

/** A choice of the pictures of the playground, or none. An app would upload one and use its address. */
export function picturePicker(current: string | undefined): { element: HTMLElement; chosen(): string | undefined } {
  const option = (url: string, label: string, content: HTMLElement): HTMLElement =>
    h(
      'label',
      { class: 'picture-option', title: label },
      h('input', { type: 'radio', name: 'picture', value: url, checked: url === (current ?? ''), 'aria-label': label }),
      content,
    );
  const element = h(
    'fieldset',
    { class: 'picture-picker' },
    h('legend', {}, 'Picture'),
    option('', 'No picture', h('span', { class: 'avatar', 'aria-hidden': 'true' }, '–')),
    ...PICTURES.map(([url, label]) => option(url, label, h('img', { class: 'avatar', src: url, alt: '' }))),
  );
  return {
    element,
    chosen() {
      const { value } = element.querySelector<HTMLInputElement>('input:checked') ?? { value: current ?? '' };
      return value === '' ? undefined : value;
    },
  };
}
