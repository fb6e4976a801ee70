import { inPairs, median, type Result } from './measure.ts';
import { RARE_WORD, type Seeded } from './seed.ts';

export interface RestSizes {
  readonly requests: number;
  readonly rounds: number;
}

/** Each read of a stored history against a server that answers the same number of bytes without thinking. */
export async function reads(
  urls: Readonly<Record<'ours' | 'floor', string>>,
  { userId, largeId, before500 }: Seeded,
  messages: number,
  { requests, rounds }: RestSizes,
): Promise<Result[]> {
  const history = `/__nk_comm/conversations/${largeId}/messages?limit=50`;
  const cases = [
    { name: 'page 1', path: history, aim: 2 },
    { name: 'page 500', path: `${history}&before=${before500}`, aim: 2 },
    { name: 'search for a rare word', path: `/__nk_comm/messages/search?q=${RARE_WORD}`, aim: 2 },
    { name: 'inbox with unread counts', path: '/__nk_comm/conversations?limit=50', aim: undefined },
  ];
  const results: Result[] = [];
  for (const { name, path, aim } of cases) {
    const bytes = await fetchBytes(urls.ours + path, userId);
    const targets = { ours: urls.ours + path, floor: `${urls.floor}/${bytes}` };
    const pairs = await inPairs(rounds, async (side) => {
      const times: number[] = [];
      for (let index = 0; index < Math.ceil(requests / rounds); index += 1) {
        const start = performance.now();
        await fetchBytes(targets[side], userId);
        times.push(performance.now() - start);
      }
      return median(times) * 1_000;
    });
    results.push({ name: `${name}, of ${messages.toLocaleString('en')} messages`, unit: 'µs', pairs, aim });
  }
  return results;
}

/** One after another, by the same `fetch` that the client uses. */
async function fetchBytes(url: string, userId: string): Promise<number> {
  const response = await fetch(url, { headers: { 'x-user-id': userId } });
  const { byteLength } = await response.arrayBuffer();
  if (!response.ok) throw new Error(`${url} was answered ${response.status}`);
  return byteLength;
}
