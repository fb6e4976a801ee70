import { h, on } from '../lib/dom.ts';
import { icon, type IconName } from '../lib/icons.ts';

export interface MenuAction {
  label: string;
  icon?: IconName | undefined;
  danger?: boolean | undefined;
  /** If present, the item is a radio item and this is its state. */
  checked?: boolean | undefined;
  /** If present, the item is a link that opens a new window. */
  href?: string | undefined;
  select?: (() => void) | undefined;
}
export type MenuItem = MenuAction | { heading: string } | 'separator';

const GAP = 6;
let closeOpen: (() => void) | undefined;

/** Opens a menu at `anchor`, with the keyboard behavior of the ARIA menu pattern. The focus returns to `anchor`. */
export function openMenu(anchor: HTMLElement, label: string, items: readonly MenuItem[]): void {
  const actions: HTMLElement[] = [];
  const menu = h('div', { class: 'menu', role: 'menu', 'aria-label': label });
  const element = popover(anchor, menu);
  for (const item of items) {
    if (item === 'separator') menu.append(h('hr'));
    else if ('heading' in item) menu.append(h('div', { class: 'menu-heading', role: 'presentation' }, item.heading));
    else {
      const action = menuAction(item, element.close);
      actions.push(action);
      menu.append(action);
    }
  }
  on(menu, 'keydown', (event) => {
    const at = actions.indexOf(document.activeElement as HTMLElement);
    const next = keyTarget(event, at, actions);
    if (next === undefined) return;
    event.preventDefault();
    next.focus();
  });
  element.open();
  (actions.find((action) => action.getAttribute('aria-checked') === 'true') ?? actions[0])?.focus();
}

function menuAction(item: MenuAction, close: () => void): HTMLElement {
  const isChoice = item.checked !== undefined;
  const attributes = {
    class: `menu-item${item.danger === true ? ' danger' : ''}`,
    role: isChoice ? 'menuitemradio' : 'menuitem',
    'aria-checked': isChoice ? String(item.checked) : undefined,
    tabindex: -1,
  };
  const mark = isChoice ? (item.checked === true ? icon('check', 18) : h('span', { class: 'menu-gap' })) : undefined;
  const content = [item.icon === undefined ? mark : icon(item.icon, 18), h('span', {}, item.label)];
  const element =
    item.href === undefined
      ? h('button', { type: 'button', ...attributes }, ...content)
      : h('a', { href: item.href, target: '_blank', ...attributes }, ...content);
  return on(element, 'click', () => {
    close();
    item.select?.();
  });
}

function keyTarget(event: KeyboardEvent, at: number, actions: readonly HTMLElement[]): HTMLElement | undefined {
  switch (event.key) {
    case 'ArrowDown':
      return actions[(at + 1) % actions.length];
    case 'ArrowUp':
      return actions.at(at <= 0 ? -1 : at - 1);
    case 'Home':
      return actions[0];
    case 'End':
      return actions.at(-1);
    default: {
      if (event.key.length !== 1 || event.ctrlKey || event.metaKey) return undefined;
      const letter = event.key.toLowerCase();
      const rest = [...actions.slice(at + 1), ...actions.slice(0, at + 1)];
      return rest.find(({ textContent }) => textContent.trim().toLowerCase().startsWith(letter));
    }
  }
}

/** Shows a popover next to `anchor`. Escape, Tab and a click outside close it. */
export function popover(anchor: HTMLElement, content: HTMLElement): { open(): void; close: () => void } {
  const scope = new AbortController();
  const { signal } = scope;
  content.classList.add('popover');
  content.setAttribute('popover', 'manual');
  const close = (): void => {
    if (signal.aborted) return;
    const hadFocus = content.contains(document.activeElement);
    scope.abort();
    content.remove();
    closeOpen = undefined;
    anchor.removeAttribute('aria-expanded');
    if (hadFocus) anchor.focus({ preventScroll: true });
  };
  const open = (): void => {
    closeOpen?.();
    closeOpen = close;
    // Next to its anchor it belongs to the same landmark, and to the same modal dialog, outside of which all is inert.
    anchor.after(content);
    anchor.setAttribute('aria-expanded', 'true');
    content.showPopover();
    place(anchor, content);
    on(content, 'keydown', (event) => {
      // Keys of a menu are no shortcuts of what is around it.
      event.stopPropagation();
      if (event.key !== 'Escape' && event.key !== 'Tab') return;
      event.preventDefault();
      close();
    });
    const outside = (event: Event): void => {
      if (event.target instanceof Node && (content.contains(event.target) || anchor.contains(event.target))) return;
      close();
    };
    document.addEventListener('pointerdown', outside, { capture: true, signal });
    // On phones the window also changes when the keyboard appears.
    const follow = (): void => (anchor.getClientRects().length === 0 ? close() : place(anchor, content));
    window.addEventListener('resize', follow, { signal });
  };
  return { open, close };
}

function place(anchor: HTMLElement, content: HTMLElement): void {
  const from = anchor.getBoundingClientRect();
  const { width, height } = content.getBoundingClientRect();
  const { clientWidth, clientHeight } = document.documentElement;
  const below = from.bottom + GAP + height <= clientHeight || from.top < height;
  const top = below ? Math.min(from.bottom + GAP, clientHeight - height - GAP) : from.top - GAP - height;
  const leftward = from.left + width > clientWidth - GAP;
  const left = leftward ? Math.max(GAP, from.right - width) : from.left;
  content.style.top = `${Math.max(GAP, top)}px`;
  content.style.left = `${Math.min(left, Math.max(GAP, clientWidth - width - GAP))}px`;
}
