import { createCommServer } from 'lumen-comm/server';
import { serving } from './process.ts';

const [database] = process.argv.slice(2);
const silent = (): void => undefined;
const server = await createCommServer({
  port: 0,
  database,
  // The limits against floods would measure themselves: everything here comes from a handful of users at once.
  config: { socketFlood: { burst: 1e9, perSecond: 1e9 }, restFlood: { burst: 1e9, perSecond: 1e9 } },
  logger: { debug: silent, info: silent, warn: silent, error: console.error },
});
serving(server.port, () => server.close());
