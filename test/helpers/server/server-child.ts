import { createCommServer, type CommServerOptions } from '../../../src/server/index.ts';
import { silentLogger } from '../../../src/lib/logger.ts';

/** Starts a server with the options that the parent passes as JSON, and prints its URL. */
const options = JSON.parse(process.argv[2] ?? '{}') as CommServerOptions;
const server = await createCommServer({ port: 0, logger: silentLogger, ...options });
process.once('SIGTERM', () => void server.close().then(() => process.exit()));
process.stdout.write(`${server.url}\n`);
