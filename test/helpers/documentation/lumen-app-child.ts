/**
 * A minimal LumenJS app that uses this server as its communication module: the socket of a page, and `api/` files called
 * as the framework does. Arguments: path of the adapter module, port.
 */
import { createServer } from 'node:http';
import { registerHooks } from 'node:module';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { Server } from 'socket.io';
import { attachCommunication } from '../../../src/server/index.ts';

interface ApiModule {
  readonly answer: (request: object) => Promise<unknown>;
}

const [adapter = '', port] = process.argv.slice(2);
const db = new DatabaseSync(':memory:');
Object.assign(globalThis, { db });
registerHooks({
  resolve: (specifier, context, next) =>
    specifier === '@lumenjs/db'
      ? { url: 'data:text/javascript,export const useDb = () => globalThis.db;', shortCircuit: true }
      : next(specifier, context),
});
const { answer } = (await import(pathToFileURL(adapter).href)) as ApiModule;

/** Replaces the framework's session: the token is the user id. */
const userOf = (authorization: string | undefined): string | undefined =>
  /^Bearer (.+)$/.exec(authorization ?? '')?.[1];

const http = createServer((incoming, outgoing) => {
  void (async () => {
    const url = new URL(incoming.url ?? '/', 'http://localhost');
    const text = (await incoming.toArray()).join('');
    const sub = userOf(incoming.headers.authorization);
    try {
      const result = await answer({
        method: incoming.method,
        url: url.pathname,
        query: Object.fromEntries(url.searchParams),
        body: text === '' ? undefined : (JSON.parse(text) as unknown),
        headers: incoming.headers,
        nkAuth: sub === undefined ? null : { user: { sub } },
      });
      outgoing.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(result));
    } catch (error) {
      const status = error instanceof Error && 'status' in error ? Number(error.status) : 500;
      const message = error instanceof Error ? error.message : 'failed';
      outgoing.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify({ error: message }));
    }
  })();
});
attachCommunication(new Server(http, { path: '/__nk_socketio/' }), {
  db,
  config: { restPath: '/api/comm' },
  authenticate: ({ token }) => (token === undefined ? undefined : { userId: token }),
});
http.listen(Number(port), '127.0.0.1', () => process.stdout.write('listening\n'));
