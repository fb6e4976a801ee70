import type { Participant } from 'lumen-comm';
import { h, on, setAttributes, setChildren } from '../lib/dom.ts';
import { nameOf } from '../lib/people.ts';
import { personAvatar } from '../ui/avatar.ts';
import { markOf } from './mentions.ts';

/** An @ at the beginning of a word, and what follows it up to the caret. */
const BEGUN = /(?:^|\s)@([^\n@]{0,40})$/;
const MOST = 6;

let counter = 0;

/**
 * Completes the names of participants after an @. Arrow keys choose, Enter and Tab insert, Escape closes. The focus stays
 * in the input, which names the chosen option to screen readers.
 */
export class MentionList {
  readonly element: HTMLElement;
  readonly #input: HTMLTextAreaElement;
  readonly #participants: () => readonly Participant[];
  readonly #id = `mentions-${(counter += 1)}`;
  #found: readonly string[] = [];
  #at = 0;

  /** @param participants - those who can be mentioned */
  constructor(input: HTMLTextAreaElement, participants: () => readonly Participant[]) {
    this.#input = input;
    this.#participants = participants;
    this.element = h('ul', {
      id: this.#id,
      class: 'mention-list',
      role: 'listbox',
      'aria-label': 'People to mention',
      hidden: true,
    });
    setAttributes(input, { 'aria-autocomplete': 'list' });
    on(input, 'blur', () => this.close());
  }

  /** Looks for names to complete. Call it when the text has changed. */
  look(): void {
    const { selectionStart, selectionEnd, value } = this.#input;
    const begun = selectionStart === selectionEnd ? BEGUN.exec(value.slice(0, selectionStart))?.[1] : undefined;
    const query = begun?.toLowerCase();
    const matches = (id: string): boolean =>
      query !== undefined && ` ${nameOf(id).toLowerCase()}\n ${id.toLowerCase()}`.includes(` ${query}`);
    this.#found = this.#participants()
      .map(({ userId }) => userId)
      .filter(matches)
      .slice(0, MOST);
    this.#at = 0;
    this.#render();
  }

  /** Returns whether the key was meant for the list. */
  key(event: KeyboardEvent): boolean {
    const { length } = this.#found;
    if (length === 0 || event.isComposing) return false;
    if (event.key === 'ArrowDown') this.#at = (this.#at + 1) % length;
    else if (event.key === 'ArrowUp') this.#at = (this.#at + length - 1) % length;
    else if (event.key === 'Escape') this.#found = [];
    else if (event.key === 'Enter' || event.key === 'Tab') this.#insert(this.#found[this.#at]);
    else return false;
    event.preventDefault();
    this.#render();
    return true;
  }

  close(): void {
    this.#found = [];
    this.#render();
  }

  #insert(userId: string | undefined): void {
    if (userId === undefined) return;
    const { selectionStart, value } = this.#input;
    const start = value.slice(0, selectionStart).lastIndexOf('@');
    this.#found = [];
    this.#input.setRangeText(`${markOf(userId)} `, start, selectionStart, 'end');
    this.#input.dispatchEvent(new Event('input', { bubbles: true }));
  }

  #render(): void {
    const isOpen = this.#found.length > 0;
    this.element.hidden = !isOpen;
    setAttributes(this.#input, {
      'aria-controls': isOpen ? this.#id : undefined,
      'aria-activedescendant': isOpen ? `${this.#id}-${this.#at}` : undefined,
    });
    setChildren(this.element, ...this.#found.map((userId, at) => this.#option(userId, at)));
  }

  #option(userId: string, at: number): HTMLElement {
    const option = h(
      'li',
      { id: `${this.#id}-${at}`, role: 'option', 'aria-selected': String(at === this.#at) },
      personAvatar(userId, 'small'),
      nameOf(userId),
    );
    // Not `click`: the input would lose the focus, which closes the list.
    return on(option, 'pointerdown', (event) => {
      event.preventDefault();
      this.#insert(userId);
      this.#render();
    });
  }
}
