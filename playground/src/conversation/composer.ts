import type { ConversationView, Message } from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { h, on, setChildren } from '../lib/dom.ts';
import { icon } from '../lib/icons.ts';
import { isUnreadable, nameOf, summaryOf } from '../lib/people.ts';
import { iconButton } from '../ui/button.ts';
import { attempt } from '../ui/toast.ts';

type Mode = { kind: 'new' } | { kind: 'reply' | 'edit'; message: Message };

/** Where one writes: Enter sends, Shift+Enter breaks the line, Escape gives up, Arrow Up edits the last own message. */
export class Composer {
  readonly element: HTMLElement;
  /** Shift+Tab's friend: Arrow Up with nothing to edit. */
  onLeave: () => void = () => undefined;
  readonly #session: Session;
  readonly #view: ConversationView;
  readonly #drafts: Map<string, string>;
  readonly #sent: () => void;
  readonly #input: HTMLTextAreaElement;
  readonly #send: HTMLButtonElement;
  readonly #about = h('div', { class: 'composer-about', hidden: true });
  #mode: Mode = { kind: 'new' };

  constructor(session: Session, view: ConversationView, drafts: Map<string, string>, sent: () => void) {
    this.#session = session;
    this.#view = view;
    this.#drafts = drafts;
    this.#sent = sent;
    this.#input = h('textarea', {
      class: 'composer-input',
      rows: 1,
      'aria-label': 'Message',
      placeholder: 'Write a message',
      dir: 'auto',
      enterkeyhint: 'send',
    });
    this.#send = h(
      'button',
      { type: 'submit', class: 'composer-send', 'aria-label': 'Send', title: 'Send (Enter)' },
      icon('send'),
    );
    const form = h(
      'form',
      { class: 'composer' },
      this.#about,
      h('div', { class: 'composer-row' }, this.#input, this.#send),
    );
    this.element = form;
    on(form, 'submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    on(this.#input, 'keydown', (event) => this.#key(event));
    on(this.#input, 'input', () => this.#changed());
    on(this.#input, 'blur', () => view.setTyping(false));
    this.#input.value = drafts.get(view.id) ?? '';
    queueMicrotask(() => this.#fit());
  }

  /** Says where one writes whether it is encrypted. */
  setEncrypted(isEncrypted: boolean): void {
    this.#input.placeholder = isEncrypted ? 'Write an encrypted message' : 'Write a message';
  }

  focus(): void {
    this.#input.focus({ preventScroll: true });
  }

  reply(message: Message): void {
    if (this.#mode.kind === 'edit') this.#input.value = this.#drafts.get(this.#view.id) ?? '';
    this.#setMode({ kind: 'reply', message });
  }

  edit(message: Message): void {
    this.#input.value = message.content;
    this.#setMode({ kind: 'edit', message });
    this.#input.setSelectionRange(message.content.length, message.content.length);
  }

  /** Takes a text back that could not be sent. */
  restore(text: string): void {
    this.#input.value = text;
    this.#setMode({ kind: 'new' });
    this.#changed();
  }

  #key(event: KeyboardEvent): void {
    // Enter also ends a choice in an input method: that one is not ours.
    if (event.isComposing) return;
    if (event.key === 'Enter' && !event.shiftKey) {
      event.preventDefault();
      this.#submit();
    } else if (event.key === 'Escape' && this.#mode.kind !== 'new') {
      event.preventDefault();
      this.#cancel();
    } else if (event.key === 'ArrowUp' && this.#input.value === '' && this.#mode.kind === 'new') {
      event.preventDefault();
      const last = this.#lastOwn();
      if (last === undefined) this.onLeave();
      else this.edit(last);
    }
  }

  #lastOwn(): Message | undefined {
    const isEditable = (message: Message): boolean =>
      message.senderId === this.#session.userId &&
      message.type === 'text' &&
      message.deletedAt === undefined &&
      message.seq !== undefined &&
      !isUnreadable(message);
    return this.#view.getSnapshot().messages.findLast(isEditable);
  }

  #submit(): void {
    const content = this.#input.value.trim();
    const { id } = this.#view;
    const mode = this.#mode;
    if (content === '') return;
    if (mode.kind === 'edit') {
      const { id: messageId, content: before } = mode.message;
      this.#cancel();
      if (content === before) return;
      const edit = this.#session.client.messages.edit({ conversationId: id, messageId, content });
      void attempt('The change was not kept', edit);
      return;
    }
    this.#drafts.delete(id);
    this.#input.value = '';
    const replyTo = mode.kind === 'reply' ? { replyTo: mode.message.id } : {};
    this.#setMode({ kind: 'new' });
    // A refusal shows at the message itself.
    this.#view.send({ content, ...replyTo }).catch(() => undefined);
    this.#view.setTyping(false);
    this.#sent();
  }

  #changed(): void {
    const { value } = this.#input;
    this.#fit();
    if (this.#mode.kind === 'edit') return;
    this.#drafts.set(this.#view.id, value);
    this.#view.setTyping(value.trim() !== '');
  }

  #cancel(): void {
    if (this.#mode.kind === 'edit') this.#input.value = this.#drafts.get(this.#view.id) ?? '';
    this.#setMode({ kind: 'new' });
  }

  #setMode(mode: Mode): void {
    this.#mode = mode;
    this.#about.hidden = mode.kind === 'new';
    if (mode.kind !== 'new') {
      const { kind, message } = mode;
      const who = message.senderId === this.#session.userId ? 'yourself' : nameOf(message.senderId);
      const label = kind === 'edit' ? 'Editing your message' : `Replying to ${who}`;
      setChildren(
        this.#about,
        icon(kind, 18),
        h(
          'div',
          { class: 'composer-about-text' },
          h('strong', {}, label),
          h('span', { dir: 'auto' }, summaryOf(message)),
        ),
        iconButton({ label: 'Cancel', icon: 'close' }, () => this.#cancel()),
      );
    }
    const label = mode.kind === 'edit' ? 'Save' : 'Send';
    this.#send.setAttribute('aria-label', label);
    setChildren(this.#send, icon(mode.kind === 'edit' ? 'check' : 'send'));
    this.#fit();
    this.focus();
  }

  /** As high as its text, up to what CSS allows. */
  #fit(): void {
    this.#input.style.height = 'auto';
    this.#input.style.height = `${this.#input.scrollHeight}px`;
    this.#send.disabled = this.#input.value.trim() === '';
  }
}
