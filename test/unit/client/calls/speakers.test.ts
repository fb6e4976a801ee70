import { expect, test } from 'vitest';
import { hear, loudness, nobodySpeaks, type Speakers } from '../../../../src/client/calls/speakers.ts';

type Look = Readonly<Record<string, number>>;
const STEP_MS = 500;

/** Looks one after the other; what is said to speak after each. */
function follow(...looks: Look[]): string[] {
  let speakers: Speakers = nobodySpeaks;
  return looks.map((look, n) => {
    speakers = hear(speakers, new Map(Object.entries(look)), n * STEP_MS);
    return speakers.speaking.join();
  });
}

test.each<[title: string, looks: Look[], speaking: string[]]>([
  ['a voice speaks', [{ ann: 0.1 }], ['ann']],
  ['a quiet room does not', [{ ann: 0.01 }, { ann: 0.01 }, { ann: 0.01 }], ['', '', '']],
  ['the loudest comes first', [{ ann: 0.1, bob: 0.3 }], ['bob,ann']],
  ['a pause between words is no end', [{ ann: 0.1 }, { ann: 0 }, { ann: 0.1 }], ['ann', 'ann', 'ann']],
  [
    'a longer pause is',
    [{ ann: 0.1 }, { ann: 0 }, { ann: 0 }, { ann: 0 }, { ann: 0 }, { ann: 0 }],
    ['ann', 'ann', 'ann', '', '', ''],
  ],
  [
    'what is too quiet to begin is enough to go on',
    [{ ann: 0.1 }, { ann: 0.02 }, { ann: 0.02 }, { ann: 0.02 }, { ann: 0.02 }],
    ['ann', 'ann', 'ann', 'ann', 'ann'],
  ],
  [
    'a little louder changes no order',
    [{ ann: 0.2 }, { ann: 0.2, bob: 0.25 }, { ann: 0.2, bob: 0.25 }],
    ['ann', 'ann,bob', 'ann,bob'],
  ],
  ['clearly louder does', [{ ann: 0.1 }, { ann: 0.1, bob: 0.4 }], ['ann', 'bob,ann']],
  ['who is gone speaks no more', [{ ann: 0.2, bob: 0.1 }, { bob: 0.1 }], ['ann,bob', 'bob']],
])('%s', (_title, looks, speaking) => {
  expect(follow(...looks)).toEqual(speaking);
});

test('while nothing changes it is the same array', () => {
  const first = hear(nobodySpeaks, new Map([['ann', 0.1]]), 0);
  expect(hear(first, new Map([['ann', 0.12]]), STEP_MS).speaking).toBe(first.speaking);
});

test.each<[title: string, before: [number, number] | undefined, now: [number, number], level: number]>([
  ['the root of the energy of a second', undefined, [0.01, 1], 0.1],
  ['since the last look alone', [4, 10], [4.02, 12], 0.1],
  ['nothing was heard', [1, 10], [1, 11], 0],
  ['no time has passed', [1, 10], [2, 10], 0],
])('loudness: %s', (_title, before, now, level) => {
  const energy = ([joules, seconds]: [number, number]) => ({ joules, seconds });
  expect(loudness(before && energy(before), energy(now))).toBeCloseTo(level);
});
