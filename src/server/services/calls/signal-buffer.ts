import type { Push } from '../../../protocol/events.ts';

/** Limits per device: ICE candidates for eight peers and a session description for each. */
const MAX_SIGNALS = 256;
const MAX_CHARACTERS = 1_048_576;

/** Returns whether a buffer may have that many signals and characters. */
export function fitsBuffer(signals: number, characters: number): boolean {
  return signals <= MAX_SIGNALS && characters <= MAX_CHARACTERS;
}

/** Buffers signals for devices that have disconnected and may reconnect. Bounded per device. */
export class SignalBuffer {
  readonly #buffers = new Map<string, { pushes: Push[]; characters: number }>();

  /** Adds a signal. @returns false if the buffer is full */
  add(key: string, push: Push): boolean {
    const buffer = this.#buffers.get(key) ?? { pushes: [], characters: 0 };
    const characters = buffer.characters + JSON.stringify(push).length;
    if (!fitsBuffer(buffer.pushes.length + 1, characters)) return false;
    buffer.pushes.push(push);
    this.#buffers.set(key, { pushes: buffer.pushes, characters });
    return true;
  }

  /** Removes and returns the signals in the order in which they were added. */
  take(key: string): readonly Push[] {
    const buffer = this.#buffers.get(key);
    this.#buffers.delete(key);
    return buffer?.pushes ?? [];
  }
}
