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
  socket.write(
    [
      `GET /__nk_socketio/?EIO=4&transport=websocket&userId=${userId} HTTP/1.1`,
      `Host: ${hostname}:${port}`,
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
      '\r\n',
    ].join('\r\n'),
  );
  await once(socket, 'data');
  socket.write(textFrame('40/nk/messages,{"caps":["rev"]}'));
  await once(socket, 'data');
  socket.pause();
  return socket;
}

/** One short masked frame; the mask is zero, so that the text stands in it as it is. */
function textFrame(text: string): Buffer {
  const payload = Buffer.from(text);
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
}
