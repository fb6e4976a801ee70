/** Audio levels are linear, 0 to 1 (W3C webrtc-stats `audioLevel`): a voice is around 0.1, a quiet room below 0.01. */
const BEGINS = 0.03;
const ENDS = 0.012;
/** A pause between words isn't the end. */
const HOLD_MS = 1_000;
/** How much of a new level counts: a single knock is not yet speech. */
const ATTACK = 0.6;
/** Somebody has to be so much louder to be named first. */
const LOUDER = 1.5;

/** Since a connection began (W3C webrtc-stats `totalAudioEnergy`, `totalSamplesDuration`). */
export interface Energy {
  readonly joules: number;
  readonly seconds: number;
}

/** The level between two looks: a moment would miss whoever takes a breath just then. */
export function loudness(before: Energy | undefined, now: Energy): number {
  const seconds = now.seconds - (before?.seconds ?? 0);
  return seconds > 0 ? Math.sqrt(Math.max(0, now.joules - (before?.joules ?? 0)) / seconds) : 0;
}

interface Voice {
  readonly level: number;
  readonly heardAt: number;
}

export interface Speakers {
  readonly voices: ReadonlyMap<string, Voice>;
  /** The loudest first. The same array while nothing changes. */
  readonly speaking: readonly string[];
}

export const nobodySpeaks: Speakers = { voices: new Map(), speaking: [] };

/** Who speaks, after another look at the levels. Whoever has none is gone. */
export function hear(before: Speakers, levels: ReadonlyMap<string, number>, nowMs: number): Speakers {
  const voices = new Map<string, Voice>();
  for (const [id, level] of levels) {
    const known = before.voices.get(id) ?? { level: 0, heardAt: -Infinity };
    const smooth = known.level + ATTACK * (level - known.level);
    const speaks = before.speaking.includes(id);
    voices.set(id, { level: smooth, heardAt: smooth >= (speaks ? ENDS : BEGINS) ? nowMs : known.heardAt });
  }
  const level = (id: string): number => voices.get(id)?.level ?? 0;
  const speaks = (id: string): boolean => nowMs - (voices.get(id)?.heardAt ?? -Infinity) < HOLD_MS;
  const fresh = [...voices.keys()].filter((id) => !before.speaking.includes(id)).sort((a, b) => level(b) - level(a));
  const speaking: string[] = [];
  // Who was named before stays ahead, unless somebody is clearly louder.
  for (const id of [...before.speaking, ...fresh].filter((each) => speaks(each))) {
    const at = speaking.findIndex((each) => level(id) > LOUDER * level(each));
    speaking.splice(at === -1 ? speaking.length : at, 0, id);
  }
  const same = speaking.length === before.speaking.length && speaking.every((id, n) => id === before.speaking[n]);
  return { voices, speaking: same ? before.speaking : speaking };
}
