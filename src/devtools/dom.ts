/** Values of attributes; `undefined` and `false` leave an attribute out. */
type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** Creates an element. Strings become text nodes, so that what a server or a user has written is never parsed as markup. */
export function create<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) element.setAttribute(name, value === true ? '' : String(value));
  }
  element.append(...children);
  return element;
}

/** Creates a button with a label. */
export function createButton(label: string, click: () => void): HTMLButtonElement {
  const button = create('button', { type: 'button' }, label);
  button.addEventListener('click', click);
  return button;
}

/** Creates a list of terms with values that change. */
export function createFacts(names: readonly string[]): { element: HTMLElement; show(...values: string[]): void } {
  const values = names.map(() => create('dd'));
  const rows = names.flatMap((name, at) => [create('dt', {}, name), values[at] ?? '']);
  return {
    element: create('dl', { class: 'facts' }, ...rows),
    show: (...texts) => {
      for (const [at, text] of texts.entries()) {
        const value = values[at];
        if (value !== undefined && value.textContent !== text) value.textContent = text;
      }
    },
  };
}
