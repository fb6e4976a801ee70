import { Lab } from '../calls/lab.ts';
import { inPairs, type Result } from './measure.ts';

/** A call in a page, against two bare RTCPeerConnections in the same page: microphone and camera opened in both. */
export async function firstFrame({ rounds }: { readonly rounds: number }): Promise<Result> {
  await using lab = await Lab.open();
  const { page } = await lab.person('somebody');
  const pairs = await inPairs(rounds, (side) => page.evaluate((each) => globalThis.firstFrame[each](), side), 500);
  return { name: 'calls: start() to the first decoded frame', unit: 'ms', pairs, aim: 1.5 };
}
