/** Measures CPU and heap per message of a long session with one open view. Requires `--expose-gc`. */
import { CommClient, memoryStorage } from '../../src/index.ts';
import { CannedServer } from './canned-server.ts';
import { fastClock } from './actor.ts';

export interface SessionFigures {
  messages: number;
  /** CPU time per message in µs, for each tenth of the session. */
  costs: number[];
  /** Used heap in bytes after a garbage collection, after each tenth. */
  heaps: number[];
  /** Maximum number of messages in the view. */
  mostShown: number;
  told: number;
}

/** Pushes `count` messages to a client with a subscribed view and inbox. */
export async function runSession(count: number): Promise<SessionFigures> {
  const collect = globalThis.gc;
  if (collect === undefined) throw new Error('Run it with --expose-gc');
  const server = new CannedServer();
  const options = { url: 'http://127.0.0.1:1', userId: 'ann', socket: server, fetch: server.fetch as typeof fetch };
  await using client = new CommClient({ ...options, storage: memoryStorage(), clock: fastClock });
  const figures: SessionFigures = { messages: count, costs: [], heaps: [], mostShown: 0, told: 0 };
  client.on('message:new', () => (figures.told += 1));
  client.conversations.inbox.subscribe(() => undefined);
  await client.connect();
  const view = client.conversations.open(server.conversation.id);
  view.subscribe(() => (figures.mostShown = Math.max(figures.mostShown, view.getSnapshot().messages.length)));
  await view.ready;
  const tenth = Math.floor(count / 10);
  for (let part = 0; part < 10; part += 1) {
    const before = process.cpuUsage();
    for (let number = 0; number < tenth; number += 1) {
      server.next();
      // Yields to tasks and timers, as a network connection does.
      if (number % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    const { user, system } = process.cpuUsage(before);
    figures.costs.push((user + system) / tenth);
    collect();
    figures.heaps.push(process.memoryUsage().heapUsed);
  }
  return figures;
}
