import { inPairs, median, type Pair, type Result } from './measure.ts';
import { RARE_WORD, type Seeded } from './seed.ts';

export interface RestSizes {
  readonly requests: number;
  readonly rounds: number;
}

/** Measures REST reads against a server that sends a static response of the same length. */
export async function reads(
  urls: Readonly<Record<'lumen' | 'baseline', string>>,
  { userId, largeId, before500 }: Seeded,
  messages: number,
  { requests, rounds }: RestSizes,
): Promise<Result[]> {
  const history = `/__nk_comm/conversations/${largeId}/messages?limit=50`;
  const cases = [
    { name: 'page 1', path: history, target: 1.8 },
    { name: 'page 500', path: `${history}&before=${before500}`, target: 2.2 },
    { name: 'search for a rare word', path: `/__nk_comm/messages/search?q=${RARE_WORD}`, target: 2.2 },
    { name: 'inbox with unread counts', path: '/__nk_comm/conversations?limit=50', target: 4 },
  ];
  const results: Result[] = [];
  for (const { name, path, target } of cases) {
    const pairs = await fetched(urls, path, userId, { requests, rounds });
    results.push({ name: `${name}, of ${messages.toLocaleString('en')} messages`, unit: 'µs', pairs, target });
  }
  return results;
}

/** Measures a path against the static response of the same length. */
export async function fetched(
  urls: Readonly<Record<'lumen' | 'baseline', string>>,
  path: string,
  userId: string,
  { requests, rounds }: RestSizes,
): Promise<Pair[]> {
  const bytes = await fetchBytes(urls.lumen + path, userId);
  const targets = { lumen: urls.lumen + path, baseline: `${urls.baseline}/${bytes}` };
  return await inPairs(rounds, async (side) => {
    const times: number[] = [];
    for (let index = 0; index < Math.ceil(requests / rounds); index += 1) {
      const start = performance.now();
      await fetchBytes(targets[side], userId);
      times.push(performance.now() - start);
    }
    return median(times) * 1_000;
  });
}

/** Sequential requests with `fetch`, as the client sends them. */
async function fetchBytes(url: string, userId: string): Promise<number> {
  const response = await fetch(url, { headers: { 'x-user-id': userId } });
  const { byteLength } = await response.arrayBuffer();
  if (!response.ok) throw new Error(`${url} was answered ${response.status}`);
  return byteLength;
}
