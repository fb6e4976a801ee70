import { createCommServer } from 'lumen-comm-server';
import { serving } from './process.ts';

const [database, directory = '', redis] = process.argv.slice(2);
const GIB = 1_024 ** 3;
const silent = (): void => undefined;
const server = await createCommServer({
  port: 0,
  database,
  redis,
  // A few users send all requests.
  limits: false,
  ...(directory !== '' && { files: { backend: directory, maxFileSize: GIB, bytesPerUserAndDay: 1_000 * GIB } }),
  logger: { debug: silent, info: silent, warn: silent, error: console.error },
});
serving(server.port, () => server.close());
