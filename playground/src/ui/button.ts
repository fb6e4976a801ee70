import { h, on, type Attributes } from '../lib/dom.ts';
import { icon, type IconName } from '../lib/icons.ts';

export interface ButtonOptions {
  label: string;
  icon?: IconName | undefined;
  class?: string | undefined;
  attributes?: Attributes | undefined;
}

/** A button with a text label. */
export function button(
  { label, icon: name, class: kind = '', attributes }: ButtonOptions,
  click: () => void,
): HTMLButtonElement {
  const element = h(
    'button',
    { type: 'button', class: `button ${kind}`.trim(), ...attributes },
    name !== undefined && icon(name, 18),
    label,
  );
  return on(element, 'click', click);
}

/** An icon button; its label is the tooltip and the accessible name. */
export function iconButton(
  { label, icon: name = 'more', class: kind = '', attributes }: ButtonOptions,
  click: () => void,
): HTMLButtonElement {
  const classes = `icon-button ${kind}`.trim();
  const element = h(
    'button',
    { type: 'button', class: classes, 'aria-label': label, title: label, ...attributes },
    icon(name),
  );
  return on(element, 'click', click);
}
