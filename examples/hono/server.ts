import type { Server as HttpServer } from 'node:http';
import { DatabaseSync } from 'node:sqlite';
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { attachCommunication, createCommunicationRoutes } from 'lumen-comm-server';
import { Server } from 'socket.io';

const db = new DatabaseSync('./app.sqlite');
const routes = createCommunicationRoutes({ db });

const app = new Hono();
app.get('/', (context) => context.text('The app'));
// REST and files of the chat.
app.all('/__nk_comm/*', (context) => routes(context.req.raw));

const http = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: Number(process.env.PORT ?? 3000) }, ({ port }) => {
  console.log(`Listening on http://127.0.0.1:${port}`);
});
// The sockets of the chat. The same database makes both one server.
attachCommunication(new Server(http as HttpServer, { path: '/__nk_socketio/' }), { db });
