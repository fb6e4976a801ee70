interface Preview {
  readonly clientId: string;
  readonly url: string;
  /** Made for an item of an earlier session or of another tab. */
  readonly isRestored: boolean;
}

/** Object URLs of files in the outbox, by id of the file. */
export class Previews {
  readonly #previews = new Map<string, Preview>();

  /** Makes the URL of a file, once. */
  show(clientId: string, id: string, blob: Blob, isRestored: boolean): void {
    if (!this.#previews.has(id)) this.#previews.set(id, { clientId, isRestored, url: URL.createObjectURL(blob) });
  }

  /** Returns the URL of a file, which is empty if there is none. */
  urlOf(id: string): string {
    return this.#previews.get(id)?.url ?? '';
  }

  hide(id: string): void {
    URL.revokeObjectURL(this.urlOf(id));
    this.#previews.delete(id);
  }

  /** Returns the restored files with the client ids of their messages. */
  restored(): [id: string, clientId: string][] {
    return [...this.#previews].flatMap(([id, { clientId, isRestored }]) => (isRestored ? [[id, clientId]] : []));
  }
}
