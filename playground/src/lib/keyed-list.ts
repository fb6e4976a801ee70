export interface ItemView<T> {
  readonly element: HTMLElement;
  update(item: T): void;
  /** Called after the item was removed. */
  dispose?(): void;
}

/** Renders one element per item, in order. Elements and their focus are preserved while the key of their item exists. */
export class KeyedList<T> {
  readonly #parent: HTMLElement;
  readonly #keyOf: (item: T) => string;
  readonly #create: (item: T) => ItemView<T>;
  #views = new Map<string, ItemView<T>>();

  constructor(parent: HTMLElement, keyOf: (item: T) => string, create: (item: T) => ItemView<T>) {
    this.#parent = parent;
    this.#keyOf = keyOf;
    this.#create = create;
  }

  render(items: readonly T[]): void {
    const focused = document.activeElement;
    const held = this.#views;
    const next = new Map<string, ItemView<T>>();
    for (const item of items) {
      const key = this.#keyOf(item);
      if (next.has(key)) continue;
      const view = held.get(key) ?? this.#create(item);
      held.delete(key);
      view.update(item);
      next.set(key, view);
    }
    for (const view of held.values()) {
      view.element.remove();
      view.dispose?.();
    }
    this.#views = next;
    let place = this.#parent.firstChild;
    for (const { element } of next.values()) {
      if (element === place) place = place.nextSibling;
      else this.#parent.insertBefore(element, place);
    }
    // Moving an element in the DOM removes its focus.
    const isLost =
      focused instanceof HTMLElement && focused !== document.activeElement && this.#parent.contains(focused);
    if (isLost) focused.focus({ preventScroll: true });
  }

  get(key: string): HTMLElement | undefined {
    return this.#views.get(key)?.element;
  }
}
