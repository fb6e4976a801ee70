import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/**
 * A WebSocket (RFC 6455) by hand that enters the chat as `userId` and never reads again: what is sent to it fills the
 * buffers of both sides and then the memory of the server.
 */
export async function connectDeafSocket(url: string, userId: string): Promise<Socket> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  await once(socket, 'connect');
  socket.write(upgradeRequest(url, `&userId=${userId}`));
  await once(socket, 'data');
  socket.write(textFrame('40/nk/messages,{"caps":["rev"]}'));
  await once(socket, 'data');
  socket.pause();
  return socket;
}

/** The request that opens the WebSocket of Engine.IO. @param query - added to its URL */
export function upgradeRequest(url: string, query = ''): string {
  return [
    `GET /__nk_socketio/?EIO=4&transport=websocket${query} HTTP/1.1`,
    `Host: ${new URL(url).host}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
    '\r\n',
  ].join('\r\n');
}

/** A masked text frame of up to 65,535 bytes (RFC 6455, section 5.2). The mask is zero, so that the text is not changed. */
export function textFrame(text: string): Buffer {
  const payload = Buffer.from(text);
  const length =
    payload.length < 126 ? [0x80 | payload.length] : [0x80 | 126, payload.length >> 8, payload.length & 255];
  return Buffer.concat([Buffer.from([0x81, ...length, 0, 0, 0, 0]), payload]);
}
