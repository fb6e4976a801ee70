/** Measures end-to-end encryption against @privacyresearch/libsignal-protocol-typescript. */
import { libsignalPreKeys, libsignalTalk, ourPreKeys, ourTalk } from './encryption-sides.ts';
import { inPairs, type Result } from './measure.ts';

interface Sizes {
  readonly rounds: number;
  readonly setUps: number;
  readonly roundTrips: number;
}

const TEXT = 'x'.repeat(1_024);

/** Milliseconds per operation. */
async function each(count: number, work: () => Promise<void> | void): Promise<number> {
  const start = performance.now();
  for (let done = 0; done < count; done += 1) await work();
  return (performance.now() - start) / count;
}

export async function encryption({ rounds, setUps, roundTrips }: Sizes): Promise<Result[]> {
  const talks = { lumen: ourTalk(), baseline: await libsignalTalk() };
  const setUp = await inPairs(rounds, (side) => each(setUps, () => talks[side].setUp()));
  const roundTrip = await inPairs(rounds, async (side) => {
    // A new session per round, with one reply, as in an established conversation.
    await talks[side].setUp();
    await talks[side].roundTrip(TEXT);
    return each(roundTrips, () => talks[side].roundTrip(TEXT));
  });
  const oneWay = await inPairs(rounds, (side) => each(roundTrips, () => talks[side].oneWay(TEXT)));
  const preKeys = await inPairs(rounds, (side) => each(1, side === 'lumen' ? ourPreKeys : libsignalPreKeys));
  return [
    { name: 'encryption: session setup', unit: 'ms', pairs: setUp, target: 0.2 },
    { name: 'encryption: 1 KB there and back', unit: 'ms', pairs: roundTrip, target: 0.1 },
    { name: 'encryption: 1 KB one way', unit: 'ms', pairs: oneWay },
    { name: 'encryption: 100 prekeys', unit: 'ms', pairs: preKeys },
  ];
}
