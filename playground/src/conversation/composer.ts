import {
  isCommError,
  type ConversationView,
  type ErrorCode,
  type Message,
  type Participant,
  type SendMessageInput,
} from 'lumen-comm';
import type { Session } from '../app/session.ts';
import { AttachmentTray } from '../attachments/attachment-tray.ts';
import { typeOf } from '../attachments/message-files.ts';
import { voiceBar } from '../attachments/voice-bar.ts';
import { h, on, setAttributes, setChildren } from '../lib/dom.ts';
import { icon, setIcon } from '../lib/icons.ts';
import { isUnreadable, nameOf, summaryOf } from '../lib/people.ts';
import type { Draft, Drafts } from './drafts.ts';
import { MentionList } from './mention-list.ts';
import { mentionsIn } from './mentions.ts';
import { LinkPreviewer } from './link-previewer.ts';
import { iconButton } from '../ui/button.ts';
import { attempt, reasonOf, toast } from '../ui/toast.ts';
import { childAbort } from '../lib/watch.ts';

/** Errors of messages that are gone for a reason: the user has discarded them, or they wait for the next session. */
const EXPECTED: ReadonlySet<ErrorCode> = new Set<ErrorCode>(['CANCELLED', 'DISCONNECTED']);

export interface ComposerOptions {
  /** What is written, for the label. @defaultValue 'Message' */
  readonly label?: string | undefined;
  /** Where the draft is kept. @defaultValue the conversation */
  readonly draftKey?: string | undefined;
  /** Returns fields of the next message. */
  readonly fields?: (() => Partial<SendMessageInput>) | undefined;
  /** Shown below the input. */
  readonly footer?: HTMLElement | undefined;
}

type Mode = { kind: 'new' } | { kind: 'reply' | 'edit'; message: Message };

/** The message input: Enter sends, Shift+Enter inserts a line break, Escape cancels, Arrow Up edits the last own message. */
export class Composer {
  readonly element: HTMLElement;
  /** Called for Arrow Up if there is no message to edit. */
  onLeave: () => void = () => undefined;
  readonly #session: Session;
  readonly #view: ConversationView;
  readonly #previews: LinkPreviewer;
  readonly #drafts: Drafts;
  readonly #sent: () => void;
  readonly #input: HTMLTextAreaElement;
  readonly #send: HTMLButtonElement;
  readonly #tray = new AttachmentTray();
  readonly #record: HTMLButtonElement;
  readonly #row: HTMLElement;
  readonly #signal: AbortSignal;
  readonly #about = h('div', { class: 'composer-about', hidden: true });
  /** Aborts when the recording has ended. */
  #recording: AbortController | undefined;
  readonly #mentions: MentionList;
  readonly #draftKey: string;
  readonly #what: string;
  readonly #fields: () => Partial<SendMessageInput>;
  #mode: Mode = { kind: 'new' };

  /**
   * @param drafts - texts and files that are not sent yet
   * @param sent - called when a message was sent
   * @param signal - aborts when the conversation is closed
   */
  constructor(
    session: Session,
    view: ConversationView,
    drafts: Drafts,
    sent: () => void,
    signal: AbortSignal,
    { label = 'Message', draftKey = view.id, fields = () => ({}), footer }: ComposerOptions = {},
  ) {
    this.#signal = signal;
    this.#what = label.toLowerCase();
    this.#draftKey = draftKey;
    this.#fields = fields;
    this.#session = session;
    this.#view = view;
    this.#previews = new LinkPreviewer(session.client);
    this.#drafts = drafts;
    this.#sent = sent;
    this.#input = h('textarea', {
      class: 'composer-input',
      rows: 1,
      'aria-label': label,
      placeholder: `Write a ${this.#what}`,
      dir: 'auto',
      enterkeyhint: 'send',
    });
    this.#mentions = new MentionList(this.#input, () => this.#others());
    this.#send = h(
      'button',
      { type: 'submit', class: 'composer-send', 'aria-label': 'Send', title: 'Send (Enter)' },
      icon('send'),
    );
    const picker = h('input', { type: 'file', multiple: true, hidden: true, 'aria-label': 'Choose files' });
    on(picker, 'change', () => {
      this.#attach(picker.files ?? []);
      picker.value = '';
    });
    const attach = iconButton({ label: 'Attach files', icon: 'attach' }, () => picker.click());
    this.#record = iconButton({ label: 'Record a voice message', icon: 'mic' }, () => void this.#startRecording());
    this.#row = h('div', { class: 'composer-row' }, picker, attach, this.#input, this.#record, this.#send);
    const form = h(
      'form',
      { class: 'composer' },
      this.#about,
      this.#tray.element,
      this.#mentions.element,
      this.#row,
      footer,
    );
    this.element = form;
    on(form, 'submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    on(this.#input, 'paste', (event) => {
      const { clipboardData } = event;
      const files = clipboardData?.files ?? [];
      // Spreadsheets and word processors add a picture of the text. Copied files have plain text only: their names.
      const isText = clipboardData?.getData('text/plain') !== '' && clipboardData?.types.includes('text/html') === true;
      if (files.length === 0 || isText) return;
      event.preventDefault();
      this.#attach(files);
    });
    on(this.#input, 'keydown', (event) => this.#key(event));
    on(this.#input, 'input', () => this.#changed());
    on(this.#input, 'blur', () => view.setTyping(false));
    const { text, files } = drafts.get(draftKey);
    this.#input.value = text;
    this.#tray.add(files);
    this.#tray.onChange = () => {
      drafts.set(draftKey, { files: this.#tray.files });
      this.#fit();
    };
    signal.addEventListener('abort', () => this.#tray.dispose());
    queueMicrotask(() => this.#fit());
  }

  /** Shows in the placeholder whether messages are encrypted. */
  setEncrypted(isEncrypted: boolean): void {
    this.#input.placeholder = `Write ${isEncrypted ? 'an encrypted' : 'a'} ${this.#what}`;
  }

  /** Hides the input from members of a frozen group. */
  setFrozen(isFrozen: boolean): void {
    this.element.hidden = isFrozen;
  }

  focus(): void {
    this.#input.focus({ preventScroll: true });
  }

  reply(message: Message): void {
    if (this.#mode.kind === 'edit') this.#input.value = this.#drafts.get(this.#draftKey).text;
    this.#setMode({ kind: 'reply', message });
  }

  edit(message: Message): void {
    // The recording is shown in place of the input.
    if (!this.#row.isConnected) return toast('Send or delete the recording first.');
    this.#input.value = message.content;
    this.#setMode({ kind: 'edit', message });
    this.#input.setSelectionRange(message.content.length, message.content.length);
  }

  /** Puts the text of a failed message back into the input. */
  restore(text: string): void {
    this.#input.value = text;
    this.#setMode({ kind: 'new' });
    this.#changed();
  }

  /** Takes files that were dropped on the conversation. */
  drop(files: Iterable<File>): void {
    this.#attach(files);
    this.focus();
  }

  #attach(files: Iterable<File>): void {
    if (this.#mode.kind === 'edit') this.#cancel();
    this.#tray.add(files);
  }

  async #startRecording(): Promise<void> {
    if (this.#recording !== undefined) return;
    const scope = (this.#recording = childAbort(this.#signal));
    const record = this.#record;
    // Not all browsers focus a button that is clicked.
    record.focus();
    // Not `disabled`, which would lose the focus.
    setAttributes(record, { 'aria-disabled': 'true' });
    // Ends with the session, not with the conversation: a recording that is being sent outlives its conversation.
    const opening = this.#session.client.files.recordVoice({ signal: this.#session.signal });
    const recorder = await attempt('Nothing was recorded', opening, scope.signal);
    setAttributes(record, { 'aria-disabled': undefined });
    if (recorder === undefined || scope.signal.aborted) {
      recorder?.cancel();
      this.#recording = undefined;
      return;
    }
    const focused = document.activeElement;
    if (this.#mode.kind === 'edit') this.#cancel();
    const ended = (): void => {
      scope.abort();
      this.#recording = undefined;
      const hadFocus = bar.contains(document.activeElement);
      bar.replaceWith(this.#row);
      this.#fit();
      if (hadFocus) this.focus();
    };
    const bar = voiceBar({ recorder, send: (file) => this.#sendFiles([file], ''), ended }, scope.signal);
    const wasInside = this.#row.contains(focused);
    this.#row.replaceWith(bar);
    // The next Enter must not send what is being recorded if the user was writing.
    if (focused === record) bar.querySelector<HTMLElement>('.composer-send')?.focus();
    else if (wasInside) bar.focus();
  }

  #key(event: KeyboardEvent): void {
    // During IME composition Enter confirms a candidate.
    if (event.isComposing || this.#mentions.key(event)) return;
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

  #others(): readonly Participant[] {
    const { participants = [] } = this.#view.getSnapshot().conversation ?? {};
    return participants.filter(({ userId }) => userId !== this.#session.userId);
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
    const { files } = this.#tray;
    if (content === '' && files.length === 0) return;
    if (mode.kind === 'edit') {
      const { id: messageId, content: before } = mode.message;
      this.#cancel();
      if (content === before) return;
      const mentions = mentionsIn(content, this.#others());
      const isMentioning = mentions.length > 0 || mode.message.mentions !== undefined;
      const request = { conversationId: id, messageId, content, ...(isMentioning && { mentions }) };
      const edit = this.#session.client.messages.edit(request);
      void attempt('The message was not edited', edit);
      return;
    }
    this.#drafts.set(this.#draftKey, { text: '' });
    this.#input.value = '';
    if (files.length > 0) {
      this.#tray.clear();
      this.#sendFiles(files, content);
      return;
    }
    const linkPreview = this.#previews.for(content);
    this.#sendMessage({ content, ...(linkPreview && { linkPreview }) }, { text: content, files });
  }

  #sendFiles(files: readonly File[], content: string): void {
    this.#sendMessage({ content, type: typeOf(files), attachments: files }, { text: content, files });
  }

  /** Sends a message, in reply to the selected one. @param draft - put back if the client rejects the message */
  #sendMessage(message: SendMessageInput, draft: Draft): void {
    const { client } = this.#session;
    const mode = this.#mode;
    const clientId = newId();
    const mentions = mentionsIn(draft.text, this.#others());
    const sending = this.#view.send({
      ...message,
      ...this.#fields(),
      ...(mentions.length > 0 && { mentions }),
      clientId,
      ...this.#takeReply(),
    });
    sending.catch((error: unknown) => {
      // A message in the outbox shows its own failure. One that the client rejects is never shown.
      if (isCommError(error) && EXPECTED.has(error.code)) return;
      if (client.messages.outbox().some((each) => each.clientId === clientId)) return;
      toast(`The message was not sent: ${reasonOf(error)}.`);
      this.#putBack(draft, mode);
    });
    this.#view.setTyping(false);
    if (!this.#signal.aborted) this.#sent();
  }

  #putBack(draft: Draft, mode: Mode): void {
    const { text, files } = this.#drafts.restore(this.#draftKey, draft);
    if (this.#signal.aborted) return;
    if (this.#mode.kind !== 'edit') this.#input.value = text;
    this.#tray.clear();
    this.#tray.add(files);
    if (this.#mode.kind === 'new' && mode.kind === 'reply') this.#setMode(mode);
  }

  /** Returns the message to reply to as a field of the next message, and ends the reply. */
  #takeReply(): { replyTo?: string } {
    const mode = this.#mode;
    this.#cancel();
    return mode.kind === 'reply' ? { replyTo: mode.message.id } : {};
  }

  #changed(): void {
    const { value } = this.#input;
    this.#fit();
    this.#mentions.look();
    if (this.#mode.kind === 'edit') return;
    this.#drafts.set(this.#draftKey, { text: value });
    this.#previews.prepare(value);
    this.#view.setTyping(value.trim() !== '');
  }

  #cancel(): void {
    if (this.#mode.kind === 'edit') this.#input.value = this.#drafts.get(this.#draftKey).text;
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
    setIcon(this.#send, mode.kind === 'edit' ? 'check' : 'send');
    this.#fit();
    this.focus();
  }

  /** Fits the height to the text, up to the maximum in CSS, and offers what can be done with it. */
  #fit(): void {
    this.#input.style.height = 'auto';
    this.#input.style.height = `${this.#input.scrollHeight}px`;
    const isEmpty = this.#input.value.trim() === '' && this.#tray.files.length === 0;
    this.#send.disabled = isEmpty;
    this.#record.hidden = !isEmpty || this.#mode.kind === 'edit';
  }
}

/** Creates the id of a message. Unlike `randomUUID()` it also works on pages without TLS. */
function newId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
