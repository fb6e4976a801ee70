/** Audio levels are linear, 0 to 1 (W3C webrtc-stats `audioLevel`): speech is around 0.1, a quiet room below 0.01. */
const START_LEVEL = 0.03;
const STOP_LEVEL = 0.012;
/** A speaker stays active during pauses of this length. */
const HOLD_MS = 1_000;
/** Weight of a new level in the moving average, so that a single knock doesn't count as speech. */
const SMOOTHING = 0.6;
/** A speaker moves ahead of another only if they are louder by this factor. */
const OVERTAKE_FACTOR = 1.5;

/** Audio energy since a connection began (W3C webrtc-stats `totalAudioEnergy` and `totalSamplesDuration`). */
export interface AudioEnergy {
  readonly totalEnergy: number;
  readonly seconds: number;
}

/** Returns the average audio level between two measurements. */
export function audioLevel(before: AudioEnergy | undefined, now: AudioEnergy): number {
  const seconds = now.seconds - (before?.seconds ?? 0);
  const energy = now.totalEnergy - (before?.totalEnergy ?? 0);
  return seconds > 0 ? Math.sqrt(Math.max(0, energy) / seconds) : 0;
}

interface Voice {
  readonly level: number;
  readonly lastActiveAt: number;
}

/** State of the active speaker detection. */
export interface Speakers {
  readonly voices: ReadonlyMap<string, Voice>;
  /** User ids, loudest first. The same array while nothing changes. */
  readonly active: readonly string[];
}

/** The initial state. */
export const NO_SPEAKERS: Speakers = { voices: new Map(), active: [] };

/**
 * Updates the active speakers with new audio levels. Pure.
 *
 * @param levels - by user id; users without a level are removed
 */
export function detectSpeakers(before: Speakers, levels: ReadonlyMap<string, number>, nowMs: number): Speakers {
  const voices = new Map<string, Voice>();
  for (const [id, level] of levels) {
    const known = before.voices.get(id) ?? { level: 0, lastActiveAt: -Infinity };
    const smoothed = known.level + SMOOTHING * (level - known.level);
    const threshold = before.active.includes(id) ? STOP_LEVEL : START_LEVEL;
    voices.set(id, { level: smoothed, lastActiveAt: smoothed >= threshold ? nowMs : known.lastActiveAt });
  }
  const level = (id: string): number => voices.get(id)?.level ?? 0;
  const isActive = (id: string): boolean => nowMs - (voices.get(id)?.lastActiveAt ?? -Infinity) < HOLD_MS;
  const added = [...voices.keys()].filter((id) => !before.active.includes(id)).sort((a, b) => level(b) - level(a));
  const active: string[] = [];
  // The previous order is kept unless a speaker is clearly louder.
  for (const id of [...before.active, ...added].filter((each) => isActive(each))) {
    const at = active.findIndex((each) => level(id) > OVERTAKE_FACTOR * level(each));
    active.splice(at === -1 ? active.length : at, 0, id);
  }
  const same = active.length === before.active.length && active.every((id, n) => id === before.active[n]);
  return { voices, active: same ? before.active : active };
}
