import type { Message } from 'lumen-comm';
import { h, on } from '../lib/dom.ts';
import { iconButton } from '../ui/button.ts';
import type { MessageCommands } from './message-commands.ts';

/**
 * One toolbar for all messages, shown at the message that is hovered, focused or tapped. The list of messages is a single
 * tab stop: arrow keys move between messages, R replies, Enter opens the menu.
 */
export class MessageToolbar {
  readonly #rows: HTMLElement;
  readonly #commands: MessageCommands;
  readonly #ownId: string;
  readonly #messages = new WeakMap<Element, Message>();
  readonly #element: HTMLElement;
  readonly #more: HTMLButtonElement;
  readonly #react: HTMLButtonElement;
  #at: HTMLElement | undefined;
  /** The message below the mouse, also while it has no actions. */
  #hovered: HTMLElement | undefined;
  #stop: HTMLElement | undefined;

  constructor(rows: HTMLElement, commands: MessageCommands, ownId: string) {
    this.#rows = rows;
    this.#commands = commands;
    this.#ownId = ownId;
    const run = (task: (message: Message, anchor: HTMLElement) => void, anchor: () => HTMLElement) => (): void => {
      const message = this.#at && this.#messages.get(this.#at);
      if (message !== undefined) task(message, anchor());
    };
    this.#react = iconButton(
      { label: 'React', icon: 'smile' },
      run(commands.pickReaction, () => this.#react),
    );
    const reply = iconButton(
      { label: 'Reply', icon: 'reply' },
      run(commands.reply, () => reply),
    );
    this.#more = iconButton(
      { label: 'More', icon: 'more', attributes: { 'aria-haspopup': 'menu' } },
      run(commands.openMenu, () => this.#more),
    );
    this.#element = h(
      'div',
      { class: 'message-toolbar', role: 'group', 'aria-label': 'Actions' },
      this.#react,
      reply,
      this.#more,
    );
    on(rows, 'pointerover', (event) => {
      if (event.pointerType !== 'mouse') return;
      this.#hovered = messageAt(event);
      this.#moveTo(this.#hovered, false);
    });
    on(rows, 'pointerleave', (event) => {
      if (event.pointerType !== 'mouse') return;
      this.#hovered = undefined;
      this.#leave();
    });
    on(rows, 'focusin', (event) => this.#moveTo(messageAt(event), true));
    on(rows, 'keydown', (event) => this.#key(event));
  }

  /** Call it when the row of a message is created or updated. */
  set(element: HTMLElement, message: Message): void {
    this.#messages.set(element, message);
    if (this.#stop?.isConnected !== true) this.#setStop(element);
    if (element === this.#at && !hasActions(message)) this.#drop();
    // A message gets its actions when the server has stored it: it may have been hovered or focused before.
    const isFocused = element === document.activeElement;
    if (isFocused || element === this.#hovered) this.#moveTo(element, isFocused);
  }

  #key(event: KeyboardEvent): void {
    const { activeElement } = document;
    const message = activeElement instanceof HTMLElement ? this.#messages.get(activeElement) : undefined;
    if (message === undefined || !(activeElement instanceof HTMLElement)) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const all = [...this.#rows.querySelectorAll<HTMLElement>('.message')];
    const at = all.indexOf(activeElement);
    const next = { ArrowUp: all[at - 1], ArrowDown: all[at + 1], Home: all[0], End: all.at(-1) }[event.key];
    if (next !== undefined) {
      next.focus({ preventScroll: true });
      next.scrollIntoView({ block: 'nearest' });
    } else if (event.key === 'Enter' && hasActions(message)) this.#commands.openMenu(message, this.#more);
    else if (event.key.toLowerCase() === 'r' && hasActions(message)) this.#commands.reply(message);
    else return;
    event.preventDefault();
  }

  #moveTo(element: HTMLElement | undefined, isFocus: boolean): void {
    const message = element && this.#messages.get(element);
    if (element === undefined || message === undefined) return;
    if (isFocus) this.#setStop(element);
    // The toolbar stays in place while it is used.
    if (element === this.#at || (this.#isUsed && !isFocus)) return;
    if (!hasActions(message)) return this.#leave();
    this.#at = element;
    const isOwn = message.senderId === this.#ownId;
    this.#element.dataset['own'] = String(isOwn);
    element.querySelector('.bubble-line')?.append(this.#element);
  }

  get #isUsed(): boolean {
    // A dialog that was opened from it returns the focus to it. The focus that a mouse has left does not hold it.
    const isHeld = this.#element.querySelector('[aria-expanded], :focus-visible') !== null;
    return isHeld || document.querySelector(':modal') !== null;
  }

  #leave(): void {
    if (this.#isUsed && this.#at?.isConnected === true) return;
    this.#element.remove();
    this.#at = undefined;
  }

  /** Takes the toolbar away from a message that has no actions anymore, also while it is used. */
  #drop(): void {
    const hadFocus = this.#element.contains(document.activeElement);
    const at = this.#at;
    // What is open next to its buttons goes with it.
    this.#element.querySelectorAll('.popover').forEach((each) => each.remove());
    this.#element.querySelectorAll('[aria-expanded]').forEach((each) => each.removeAttribute('aria-expanded'));
    this.#element.remove();
    this.#at = undefined;
    if (hadFocus) at?.focus({ preventScroll: true });
  }

  /** The message that the Tab key focuses. */
  #setStop(element: HTMLElement): void {
    if (element === this.#stop) return;
    this.#stop?.setAttribute('tabindex', '-1');
    element.setAttribute('tabindex', '0');
    this.#stop = element;
  }
}

/** Messages that are not stored yet, and deleted ones, have no actions. */
function hasActions({ seq, deletedAt, type }: Message): boolean {
  return seq !== undefined && deletedAt === undefined && type !== 'system' && type !== 'call';
}

function messageAt({ target }: Event): HTMLElement | undefined {
  return target instanceof Element ? (target.closest<HTMLElement>('.message') ?? undefined) : undefined;
}
