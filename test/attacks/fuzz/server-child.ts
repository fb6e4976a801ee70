/** The server that is fuzzed: limits on sizes as by default, and rates so high that no input is refused unread. */
import { createCommServer } from '../../../src/server/index.ts';

const unlimitedRate = { burst: 1_000_000_000, perSecond: 1_000_000_000 };
const print = (message: string, fields?: unknown): void =>
  void process.stdout.write(`logged: ${message} ${JSON.stringify(fields)}\n`);

const server = await createCommServer({
  port: 0,
  database: ':memory:',
  config: { userSearch: true },
  logger: { debug: () => undefined, info: () => undefined, warn: () => undefined, error: print },
  limits: {
    connectionsPerAddress: 10_000,
    requests: unlimitedRate,
    requestBytes: unlimitedRate,
    messages: unlimitedRate,
    messageBytesPerDay: Number.MAX_SAFE_INTEGER,
    conversationsCreated: unlimitedRate,
    callsPerCaller: unlimitedRate,
    callsPerPair: unlimitedRate,
    searches: unlimitedRate,
  },
});
process.stdout.write(`listening on ${server.url}\n`);
