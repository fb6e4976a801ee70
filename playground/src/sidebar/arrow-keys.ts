import { on } from '../lib/dom.ts';

/** Moves the focus between the elements of `list` that match `selector`, by arrow keys, Home and End. */
export function moveByArrows(list: HTMLElement, selector: string): void {
  on(list, 'keydown', (event) => {
    const all = [...list.querySelectorAll<HTMLElement>(selector)].filter((each) => each.offsetParent !== null);
    const at = all.findIndex((each) => each === document.activeElement);
    if (at < 0) return;
    const next = { ArrowDown: all[at + 1], ArrowUp: all[at - 1], Home: all[0], End: all.at(-1) }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    next.focus();
  });
}
