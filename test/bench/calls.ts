import { TestBed } from '../calls/test-bed.ts';
import { inPairs, type Result } from './measure.ts';

const OFTEN = { burst: 1_000, perSecond: 10 };

/** Measures a call against two plain RTCPeerConnections in the same page. Both open microphone and camera. */
export async function firstFrame({ rounds }: { readonly rounds: number }): Promise<Result> {
  // Two users call each other more often in a minute than the defaults allow.
  await using testBed = await TestBed.open(undefined, { callsPerCaller: OFTEN, callsPerPair: OFTEN });
  const { page } = await testBed.user('bench');
  const pairs = await inPairs(rounds, (side) => page.evaluate((each) => globalThis.firstFrame[each](), side), 500);
  return { name: 'calls: start() to the first decoded frame', unit: 'ms', pairs, target: 1.5 };
}
