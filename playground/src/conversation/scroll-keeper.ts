const AT_END_PX = 48;

/** Keeps what is read where it is while messages come and go around it, and keeps the end in sight for who is there. */
export class ScrollKeeper {
  onScroll = (): void => undefined;
  readonly #scroller: HTMLElement;
  readonly #rows: HTMLElement;
  #sticks = true;

  constructor(scroller: HTMLElement, rows: HTMLElement, signal: AbortSignal) {
    this.#scroller = scroller;
    this.#rows = rows;
    scroller.addEventListener(
      'scroll',
      () => {
        this.#sticks = this.#distanceToEnd() < AT_END_PX;
        this.onScroll();
      },
      { passive: true, signal },
    );
    const resized = new ResizeObserver(() => {
      if (this.#sticks) this.#scrollToEnd();
    });
    resized.observe(scroller);
    resized.observe(rows);
    signal.addEventListener('abort', () => resized.disconnect());
  }

  get atEnd(): boolean {
    return this.#sticks;
  }

  /** From here on the end isn't followed any more. */
  release(): void {
    this.#sticks = false;
  }

  /** Runs `change` and puts the first message in sight back to where it was. */
  around(endIsShown: boolean, change: () => void): void {
    if (!endIsShown) this.#sticks = false;
    const anchor = this.#sticks ? undefined : this.#firstInSight();
    const before = anchor?.getBoundingClientRect().top;
    change();
    if (this.#sticks) this.#scrollToEnd();
    else if (anchor?.isConnected === true && before !== undefined) {
      this.#scroller.scrollTop += anchor.getBoundingClientRect().top - before;
    }
  }

  toEnd(smoothly: boolean): void {
    this.#sticks = true;
    const isNear = this.#distanceToEnd() < 3 * this.#scroller.clientHeight;
    const behavior = smoothly && isNear && !prefersLessMotion() ? 'smooth' : 'instant';
    this.#scroller.scrollTo({ top: this.#scroller.scrollHeight, behavior });
  }

  show(element: HTMLElement): void {
    this.#sticks = false;
    element.scrollIntoView({ block: 'center', behavior: 'instant' });
  }

  /** Begins with this element where it is above what is in sight. */
  showStart(element: HTMLElement | null): void {
    if (element === null || element.getBoundingClientRect().top >= this.#scroller.getBoundingClientRect().top) return;
    this.#sticks = false;
    element.scrollIntoView({ block: 'start', behavior: 'instant' });
  }

  #firstInSight(): HTMLElement | undefined {
    const { top } = this.#scroller.getBoundingClientRect();
    const rows = [...this.#rows.children] as HTMLElement[];
    // Only messages: a day's heading moves when an earlier message of that day comes in.
    return rows.find((row) => row.classList.contains('message') && row.getBoundingClientRect().bottom > top);
  }

  #distanceToEnd(): number {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    return scrollHeight - scrollTop - clientHeight;
  }

  #scrollToEnd(): void {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }
}

function prefersLessMotion(): boolean {
  return window.matchMedia('(prefers-reduced-motion: reduce)').matches;
}
