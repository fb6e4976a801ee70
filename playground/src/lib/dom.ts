export type Child = Node | string | false | undefined;
export type AttributeValue = string | number | boolean | undefined;
export type Attributes = Readonly<Record<string, AttributeValue>>;

/** An element with attributes and children. Strings become text nodes: what people write never becomes markup. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  setAttributes(element, attributes);
  element.append(...children.filter((child) => child !== undefined && child !== false));
  return element;
}

/** `undefined` and `false` take the attribute away. Writes only what differs. */
export function setAttributes(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) element.removeAttribute(name);
    else {
      const text = value === true ? '' : String(value);
      if (element.getAttribute(name) !== text) element.setAttribute(name, text);
    }
  }
}

export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** Replaces the children unless they are the same nodes already. */
export function setChildren(element: Element, ...children: readonly Child[]): void {
  const wanted = children.filter((child) => child !== undefined && child !== false);
  const held = element.childNodes;
  const isSame = wanted.length === held.length && wanted.every((child, at) => child === held[at]);
  if (!isSame) element.replaceChildren(...wanted);
}

export function on<E extends EventTarget, K extends keyof HTMLElementEventMap>(
  target: E,
  type: K,
  listener: (event: HTMLElementEventMap[K]) => void,
  options?: AddEventListenerOptions,
): E {
  target.addEventListener(type, listener as EventListener, options);
  return target;
}

/** Text for screen readers alone. */
export function hiddenText(text: string): HTMLElement {
  return h('span', { class: 'visually-hidden' }, text);
}
