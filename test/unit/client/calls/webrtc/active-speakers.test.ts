import { expect, test } from 'vitest';
import {
  detectSpeakers,
  audioLevel,
  NO_SPEAKERS,
  type Speakers,
} from '../../../../../src/client/calls/webrtc/active-speakers.ts';

type Levels = Readonly<Record<string, number>>;
const STEP_MS = 500;

/** Applies measurements one after another and returns the active speakers after each. */
function follow(...levels: Levels[]): string[] {
  let speakers: Speakers = NO_SPEAKERS;
  return levels.map((each, n) => {
    speakers = detectSpeakers(speakers, new Map(Object.entries(each)), n * STEP_MS);
    return speakers.active.join();
  });
}

test.each<[title: string, levels: Levels[], speaking: string[]]>([
  ['speech is detected', [{ ann: 0.1 }], ['ann']],
  ['a quiet room has no speakers', [{ ann: 0.01 }, { ann: 0.01 }, { ann: 0.01 }], ['', '', '']],
  ['the loudest speaker comes first', [{ ann: 0.1, bob: 0.3 }], ['bob,ann']],
  ['a speaker stays active during a short pause', [{ ann: 0.1 }, { ann: 0 }, { ann: 0.1 }], ['ann', 'ann', 'ann']],
  [
    'a longer pause ends the activity',
    [{ ann: 0.1 }, { ann: 0 }, { ann: 0 }, { ann: 0 }, { ann: 0 }, { ann: 0 }],
    ['ann', 'ann', 'ann', '', '', ''],
  ],
  [
    'a level below the start threshold is enough to stay active',
    [{ ann: 0.1 }, { ann: 0.02 }, { ann: 0.02 }, { ann: 0.02 }, { ann: 0.02 }],
    ['ann', 'ann', 'ann', 'ann', 'ann'],
  ],
  [
    "a slightly louder speaker doesn't change the order",
    [{ ann: 0.2 }, { ann: 0.2, bob: 0.25 }, { ann: 0.2, bob: 0.25 }],
    ['ann', 'ann,bob', 'ann,bob'],
  ],
  ['a clearly louder speaker moves ahead', [{ ann: 0.1 }, { ann: 0.1, bob: 0.4 }], ['ann', 'bob,ann']],
  ['a user without a level is removed', [{ ann: 0.2, bob: 0.1 }, { bob: 0.1 }], ['ann,bob', 'bob']],
])('%s', (_title, levels, speaking) => {
  expect(follow(...levels)).toEqual(speaking);
});

test('returns the same array while nothing changes', () => {
  const first = detectSpeakers(NO_SPEAKERS, new Map([['ann', 0.1]]), 0);
  expect(detectSpeakers(first, new Map([['ann', 0.12]]), STEP_MS).active).toBe(first.active);
});

test.each<[title: string, before: [number, number] | undefined, now: [number, number], level: number]>([
  ['is the root of the energy per second', undefined, [0.01, 1], 0.1],
  ['counts only the time since the previous measurement', [4, 10], [4.02, 12], 0.1],
  ['is 0 without energy', [1, 10], [1, 11], 0],
  ['is 0 without elapsed time', [1, 10], [2, 10], 0],
])('the audio level %s', (_title, before, now, level) => {
  const energy = ([totalEnergy, seconds]: [number, number]) => ({ totalEnergy, seconds });
  expect(audioLevel(before && energy(before), energy(now))).toBeCloseTo(level);
});
