/** What one sends; the values mean "on". */
export interface Sending {
  readonly audio: boolean;
  readonly video: boolean;
  readonly screenShare: boolean;
}

/** Tells the others what is sent, one change after another: of many in between they hear the last. */
export class Toggles {
  readonly #now: () => Sending;
  readonly #tell: (changed: Partial<Sending>) => Promise<boolean>;
  #told: Sending;
  #telling = false;

  /** @param told - what they take for granted */
  constructor(told: Sending, now: () => Sending, tell: (changed: Partial<Sending>) => Promise<boolean>) {
    this.#told = told;
    this.#now = now;
    this.#tell = tell;
  }

  /** @param known - what they are known to believe, after a reconnect */
  async check(known?: Sending): Promise<void> {
    if (known !== undefined) this.#told = known;
    if (this.#telling) return;
    this.#telling = true;
    try {
      for (;;) {
        const changed = difference(this.#told, this.#now());
        // Told again after a reconnect, should it fail.
        if (changed === undefined || !(await this.#tell(changed))) return;
        this.#told = { ...this.#told, ...changed };
      }
    } finally {
      this.#telling = false;
    }
  }
}

function difference(told: Sending, now: Sending): Partial<Sending> | undefined {
  const changed: { -readonly [K in keyof Sending]?: boolean } = {};
  for (const key of ['audio', 'video', 'screenShare'] as const) if (told[key] !== now[key]) changed[key] = now[key];
  return Object.keys(changed).length === 0 ? undefined : changed;
}
