/** What is written in a conversation and was not sent yet. */
export interface Draft {
  readonly text: string;
  readonly files: readonly File[];
}

const EMPTY: Draft = { text: '', files: [] };

/** Keeps drafts while other conversations are open. */
export class Drafts {
  readonly #held = new Map<string, Draft>();

  get(conversationId: string): Draft {
    return this.#held.get(conversationId) ?? EMPTY;
  }

  /** Changes a part of a draft. */
  set(conversationId: string, part: Partial<Draft>): void {
    const draft = { ...this.get(conversationId), ...part };
    if (draft.text === '' && draft.files.length === 0) this.#held.delete(conversationId);
    else this.#held.set(conversationId, draft);
  }

  /** Puts back what could not be sent, before what was written since. */
  restore(conversationId: string, { text, files }: Draft): Draft {
    const since = this.get(conversationId);
    const texts = [text, since.text].filter((each) => each !== '');
    this.set(conversationId, { text: texts.join('\n'), files: [...files, ...since.files] });
    return this.get(conversationId);
  }
}
