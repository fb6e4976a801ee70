import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { DatabaseSync } from 'node:sqlite';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { ReadableStream } from 'node:stream/web';
import { attachCommunication, createCommunicationRoutes } from 'lumen-comm-server';
import { Server } from 'socket.io';

const db = new DatabaseSync('./app.sqlite');
const routes = createCommunicationRoutes({ db });

const http = createServer((incoming, outgoing) => {
  const handle = incoming.url?.startsWith('/__nk_comm/') === true ? chat : app;
  handle(incoming, outgoing).catch(() => (outgoing.headersSent ? outgoing.destroy() : outgoing.writeHead(400).end()));
});

// What the app already has: a route, and a namespace of its own.
async function app(_: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  outgoing.end('The app');
}
const io = new Server(http, { path: '/__nk_socketio/' });
io.of('/prices').on('connection', (socket) => socket.emit('price', 42));

// The chat: a namespace beside the app's, and the routes for REST and files.
attachCommunication(io, { db });

async function chat(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  const { method = 'GET', url = '/' } = incoming;
  const headers = Object.entries(incoming.headers).map(([name, value]): [string, string] => [name, String(value)]);
  const body = ['GET', 'HEAD', 'DELETE'].includes(method) ? {} : { body: Readable.toWeb(incoming), duplex: 'half' };
  const response = await routes(
    new Request(new URL(url, 'http://localhost'), { method, headers, ...body } as RequestInit),
  );
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  if (response.body === null) outgoing.end();
  else await pipeline(Readable.fromWeb(response.body as ReadableStream), outgoing);
}

http.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', () => {
  const address = http.address();
  console.log(`Listening on http://127.0.0.1:${typeof address === 'object' ? address?.port : address}`);
});
