/**
 * Starts the playground: `npm start`. The server is a child process. If it is killed, for example from the developer tools
 * of the page, it restarts on the same port and database.
 *
 * Environment variables: `PORT` (3000), `HOST` (127.0.0.1) and `DATABASE` (a file, or `:memory:`).
 */
import { announce, ChildServer, onEnd } from './child-server.ts';

const server = new ChildServer(
  'The server',
  {},
  {
    listening: (url, isFirst) => (isFirst ? announce(url) : console.log('The server is running again.')),
    kill: () => server.kill(),
    ended: (exitCode) => process.exit(exitCode),
  },
);
onEnd('start', () => server.end());
server.start();
