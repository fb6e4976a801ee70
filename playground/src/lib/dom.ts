export type Child = Node | string | false | undefined;
export type AttributeValue = string | number | boolean | undefined;
export type Attributes = Readonly<Record<string, AttributeValue>>;

/** Creates an element. String children become text nodes, so user input is never parsed as markup. */
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

const SVG = 'http://www.w3.org/2000/svg';

/** Creates an SVG element. */
export function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Attributes,
  ...children: readonly Node[]
): SVGElementTagNameMap[K] {
  const element = document.createElementNS(SVG, tag);
  setAttributes(element, attributes);
  element.append(...children);
  return element;
}

/** Sets attributes that differ; `undefined` and `false` remove an attribute. */
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

/**
 * Sets the children. Nodes that stay are not removed and inserted again, which would reset their scroll position, and
 * cancel a click if the pointer is pressed on them.
 */
export function setChildren(element: Element, ...children: readonly Child[]): void {
  const wanted = children.filter((child) => child !== undefined && child !== false);
  for (const held of Array.from(element.childNodes)) if (!wanted.includes(held)) held.remove();
  let place = element.firstChild;
  for (const child of wanted) {
    if (child === place) place = place.nextSibling;
    else element.insertBefore(typeof child === 'string' ? new Text(child) : child, place);
  }
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

/** Creates visually hidden text for screen readers. */
export function hiddenText(text: string): HTMLElement {
  return h('span', { class: 'visually-hidden' }, text);
}
