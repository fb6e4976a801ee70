import { Agent, get } from 'node:http';
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
    { name: 'page 1', path: history },
    { name: 'page 500', path: `${history}&before=${before500}` },
    { name: 'search for a rare word', path: `/__nk_comm/messages/search?q=${RARE_WORD}` },
    { name: 'inbox with unread counts', path: '/__nk_comm/conversations?limit=50' },
  ];
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const results: Result[] = [];
  for (const { name, path } of cases) {
    const bytes = await fetchBytes(agent, urls.ours + path, userId);
    const targets = { ours: urls.ours + path, floor: `${urls.floor}/${bytes}` };
    const pairs = await inPairs(rounds, async (side) => {
      const times: number[] = [];
      for (let index = 0; index < Math.ceil(requests / rounds); index += 1) {
        const start = performance.now();
        await fetchBytes(agent, targets[side], userId);
        times.push(performance.now() - start);
      }
      return median(times) * 1_000;
    });
    results.push({ name: `${name}, of ${messages.toLocaleString('en')} messages`, unit: 'µs', pairs, aim: 2 });
  }
  agent.destroy();
  return results;
}

/** One after another on one connection. `node:http` costs less than `fetch`, and so hides less of the difference. */
function fetchBytes(agent: Agent, url: string, userId: string): Promise<number> {
  return new Promise((resolve, reject) => {
    get(url, { agent, headers: { 'x-user-id': userId } }, (response) => {
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.byteLength;
      });
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 200) resolve(bytes);
        else reject(new Error(`${url} was answered ${response.statusCode ?? 'nothing'}`));
      });
    }).on('error', reject);
  });
}
