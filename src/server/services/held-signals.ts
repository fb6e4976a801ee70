import type { Push } from '../../protocol/events.ts';

/** For one device. A gathering to eight peers, and a description to each. */
const MAX_SIGNALS = 256;
const MAX_CHARACTERS = 1_048_576;

/** What was signalled to devices that have lost their socket and may come back. */
export class HeldSignals {
  readonly #held = new Map<string, { pushes: Push[]; characters: number }>();

  /** @returns false where no more is held */
  add(key: string, push: Push): boolean {
    const held = this.#held.get(key) ?? { pushes: [], characters: 0 };
    const characters = held.characters + JSON.stringify(push).length;
    if (held.pushes.length >= MAX_SIGNALS || characters > MAX_CHARACTERS) return false;
    held.pushes.push(push);
    this.#held.set(key, { pushes: held.pushes, characters });
    return true;
  }

  /** In the order they came. */
  take(key: string): readonly Push[] {
    const held = this.#held.get(key);
    this.#held.delete(key);
    return held?.pushes ?? [];
  }
}
