/** End-to-end encryption against @privacyresearch/libsignal-protocol-typescript, what a user would take instead. */
import { libsignalPreKeys, libsignalTalk, ourPreKeys, ourTalk } from './encryption-sides.ts';
import { inPairs, type Result } from './measure.ts';

interface Sizes {
  readonly rounds: number;
  readonly setUps: number;
  readonly roundTrips: number;
}

const TEXT = 'x'.repeat(1_024);

/** Milliseconds for one. */
async function each(count: number, work: () => Promise<void> | void): Promise<number> {
  const start = performance.now();
  for (let done = 0; done < count; done += 1) await work();
  return (performance.now() - start) / count;
}

export async function encryption({ rounds, setUps, roundTrips }: Sizes): Promise<Result[]> {
  const talks = { ours: ourTalk(), floor: await libsignalTalk() };
  const setUp = await inPairs(rounds, (side) => each(setUps, () => talks[side].setUp()));
  const roundTrip = await inPairs(rounds, async (side) => {
    // A fresh session each round, answered once, as two who talk have it.
    await talks[side].setUp();
    await talks[side].roundTrip(TEXT);
    return each(roundTrips, () => talks[side].roundTrip(TEXT));
  });
  const oneWay = await inPairs(rounds, (side) => each(roundTrips, () => talks[side].oneWay(TEXT)));
  const preKeys = await inPairs(rounds, (side) => each(1, side === 'ours' ? ourPreKeys : libsignalPreKeys));
  return [
    { name: 'encryption: session set up', unit: 'ms', pairs: setUp, aim: 0.2 },
    { name: 'encryption: 1 KB there and back', unit: 'ms', pairs: roundTrip, aim: 0.1 },
    { name: 'encryption: 1 KB one way', unit: 'ms', pairs: oneWay },
    { name: 'encryption: 100 prekeys', unit: 'ms', pairs: preKeys },
  ];
}
