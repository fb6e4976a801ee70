const AT_END_PX = 48;

/** Keeps the scroll position when messages are added or removed around it, and follows the end if it was visible. */
export class ScrollAnchor {
  onScroll = (): void => undefined;
  readonly #scroller: HTMLElement;
  readonly #rows: HTMLElement;
  #isFollowing = true;
  /** The position that `#isFollowing` was determined for. */
  #top = 0;

  constructor(scroller: HTMLElement, rows: HTMLElement, signal: AbortSignal) {
    this.#scroller = scroller;
    this.#rows = rows;
    scroller.addEventListener(
      'scroll',
      () => {
        this.#noticeScroll();
        this.onScroll();
      },
      { passive: true, signal },
    );
    const resized = new ResizeObserver(() => {
      this.#noticeScroll();
      if (this.#isFollowing) this.#scrollToEnd();
    });
    resized.observe(scroller);
    resized.observe(rows);
    signal.addEventListener('abort', () => resized.disconnect());
  }

  get atEnd(): boolean {
    return this.#isFollowing;
  }

  /** Stops following the end. */
  release(): void {
    this.#isFollowing = false;
  }

  /** Runs `change` and restores the position of the first visible message. */
  around(endIsShown: boolean, change: () => void): void {
    this.#noticeScroll();
    if (!endIsShown) this.#isFollowing = false;
    const anchor = this.#isFollowing ? undefined : this.#firstVisible();
    const before = anchor?.getBoundingClientRect().top;
    change();
    if (this.#isFollowing) this.#scrollToEnd();
    else if (anchor?.isConnected === true && before !== undefined) {
      this.#scroller.scrollTop += anchor.getBoundingClientRect().top - before;
    }
  }

  /** At once: a change of the messages would stop a smooth movement on its way. */
  toEnd(): void {
    this.#isFollowing = true;
    this.#scrollToEnd();
  }

  show(element: HTMLElement): void {
    this.#isFollowing = false;
    element.scrollIntoView({ block: 'center', behavior: 'instant' });
  }

  /** Scrolls to the start of the element if it is outside of the visible area. */
  showStart(element: HTMLElement | null): void {
    if (element === null) return;
    const { top, bottom } = this.#scroller.getBoundingClientRect();
    const start = element.getBoundingClientRect().top;
    if (start >= top && start < bottom) return;
    this.#isFollowing = false;
    element.scrollIntoView({ block: 'start', behavior: 'instant' });
  }

  /** Follows the end from now on if the user has scrolled there. The event `scroll` comes only with the next frame. */
  #noticeScroll(): void {
    const { scrollTop } = this.#scroller;
    if (scrollTop === this.#top) return;
    this.#top = scrollTop;
    this.#isFollowing = this.#distanceToEnd() < AT_END_PX;
  }

  #firstVisible(): HTMLElement | undefined {
    const { top } = this.#scroller.getBoundingClientRect();
    const rows = [...this.#rows.children] as HTMLElement[];
    // Only messages: the heading of a day moves when an earlier message of that day is inserted.
    return rows.find((row) => row.classList.contains('message') && row.getBoundingClientRect().bottom > top);
  }

  #distanceToEnd(): number {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    return scrollHeight - scrollTop - clientHeight;
  }

  #scrollToEnd(): void {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
    this.#top = this.#scroller.scrollTop;
  }
}
