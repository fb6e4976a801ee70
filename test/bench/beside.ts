import { inPairs, median, type Result } from './measure.ts';
import type { Side } from './sides.ts';
import { RARE_WORD, type Seeded } from './seed.ts';

/**
 * Time from `send` until the listener is called and the send is acknowledged, one message at a time, while another client
 * reads without a pause. The baseline is the same without the reads.
 */
export async function besideReads(
  url: string,
  side: Side,
  { userId, largeId }: Seeded,
  { sequential, rounds }: { sequential: number; rounds: number },
): Promise<Result[]> {
  const room = await side.room(['alice', 'bob']);
  const [alice, bob] = [await room.enter('alice'), await room.enter('bob')];
  let received = (): void => undefined;
  bob.listen(() => received());
  const send = async (): Promise<number> => {
    const start = performance.now();
    const arrived = new Promise<void>((resolve) => (received = resolve));
    await Promise.all([alice.send('beside '.repeat(28)), arrived]);
    return (performance.now() - start) * 1_000;
  };
  const measured = async (path: string | undefined): Promise<number> => {
    const ended = new AbortController();
    const reading = path === undefined ? undefined : readUntil(ended.signal, url + path, userId);
    const times: number[] = [];
    for (let index = 0; index < Math.ceil(sequential / rounds / 2); index += 1) times.push(await send());
    ended.abort();
    await reading;
    return median(times);
  };
  const reads = {
    pages: `/__nk_comm/conversations/${largeId}/messages?limit=50`,
    'searches for a rare word': `/__nk_comm/messages/search?q=${RARE_WORD}`,
    'searches for a common prefix': '/__nk_comm/messages/search?q=comm',
  };
  const results: Result[] = [];
  for (const [name, path] of Object.entries(reads)) {
    const pairs = await inPairs(rounds, (each) => measured(each === 'lumen' ? path : undefined));
    results.push({ name: `send beside ${name}, to send alone`, unit: 'µs', pairs });
  }
  alice.leave();
  bob.leave();
  return results;
}

async function readUntil(ended: AbortSignal, url: string, userId: string): Promise<void> {
  while (!ended.aborted) {
    const response = await fetch(url, { headers: { 'x-user-id': userId } });
    await response.arrayBuffer();
  }
}
