import { inPairs, type Result } from './measure.ts';
import type { Side } from './sides.ts';
import { latency, pipelined, type SocketSizes } from './sockets.ts';

/** The same servers on two databases, and a server that stores nothing. */
export interface DatabaseSides {
  readonly postgres: Side;
  readonly sqlite: Side;
  readonly relay: Side;
}

const CONVERSATIONS = 20;

/** One server on Postgres against one on SQLite and against the relay. */
export async function databases({ postgres, sqlite, relay }: DatabaseSides, sizes: SocketSizes): Promise<Result[]> {
  const results: Result[] = [];
  for (const [name, baseline] of [
    ['SQLite', sqlite],
    ['the relay', relay],
  ] as const) {
    const sides = { lumen: postgres, baseline };
    for (const measure of [latency, pipelined, busy]) {
      const { target: _target, ...result } = await measure(sides, sizes);
      results.push({ ...result, name: `on Postgres, to ${name}: ${result.name}` });
    }
  }
  return results;
}

/** Time until messages of many conversations are acknowledged, each conversation with a sender of its own. */
async function busy(
  sides: Readonly<Record<'lumen' | 'baseline', Side>>,
  { pipelined: count, rounds }: SocketSizes,
): Promise<Result> {
  const enter = (side: Side) =>
    Promise.all(
      Array.from({ length: CONVERSATIONS }, async (_, at) => (await side.room([`busy-${at}`])).enter(`busy-${at}`)),
    );
  const senders = { lumen: await enter(sides.lumen), baseline: await enter(sides.baseline) };
  const pairs = await inPairs(rounds, async (side) => {
    const start = performance.now();
    const each = Math.ceil(count / CONVERSATIONS);
    await Promise.all(
      senders[side].map((sender) =>
        Promise.all(Array.from({ length: each }, async (_, at) => await sender.send(`busy ${at}`))),
      ),
    );
    return performance.now() - start;
  });
  for (const each of [...senders.lumen, ...senders.baseline]) each.leave();
  return { name: `${count} messages to ${CONVERSATIONS} conversations at once`, unit: 'ms', pairs };
}
