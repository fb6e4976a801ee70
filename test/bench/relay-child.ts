import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Server } from 'socket.io';
import { serving } from './process.ts';

/** A minimal chat server on Socket.IO without users, permissions and storage: it broadcasts each message to the room. */
const http = createServer();
const io = new Server(http, { serveClient: false, perMessageDeflate: false });
io.on('connection', (socket) => {
  socket.on('join', (room: string, joined: (reply: unknown) => void) => {
    void socket.join(room);
    joined({ ok: true });
  });
  socket.on('send', (message: { conversationId: string }, sent: (reply: unknown) => void) => {
    io.to(message.conversationId).emit('push', { event: 'message:new', data: message });
    sent({ ok: true });
  });
});
http.listen(0, '127.0.0.1', () => serving((http.address() as AddressInfo).port, () => io.close()));
