import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { limitRequestTime } from '../../../../src/server/http/request-timeout.ts';

const BODY = 'hello';

interface Echo {
  /** Sends a request with the first bytes of its body. */
  begin(path: string, bytes: number): Promise<Socket>;
}

/** A server that answers a request with its body. */
async function startEcho(timeoutMs: number): Promise<Echo> {
  const http = createServer({ requestTimeout: 0, keepAliveTimeout: 0 }, (incoming, outgoing) => {
    incoming.on('error', () => undefined);
    incoming.pipe(outgoing);
  });
  limitRequestTime(http, { timeoutMs, uploads: '/uploads/' });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  onTestFinished(() => {
    http.closeAllConnections();
    http.close();
  });
  return {
    async begin(path, bytes) {
      const socket = connect((http.address() as AddressInfo).port, '127.0.0.1');
      onTestFinished(() => void socket.destroy());
      socket.on('error', () => undefined);
      const received = once(http, 'request');
      // One write, so that the server reads the head and these bytes together.
      socket.write(`PUT ${path} HTTP/1.1\r\nhost: a\r\ncontent-length: ${BODY.length}\r\n\r\n${BODY.slice(0, bytes)}`);
      await received;
      return socket;
    },
  };
}

/** Reads until the connection is closed or `expected` has arrived. */
async function readUntil(socket: Socket, expected: string): Promise<string> {
  let answer = '';
  for await (const chunk of socket) {
    answer += String(chunk);
    if (answer.includes(expected)) break;
  }
  return answer;
}

async function closed(socket: Socket): Promise<void> {
  socket.resume();
  await once(socket, 'close');
}

test('a request whose body does not arrive in time is closed, an upload that is as old is not', async () => {
  const echo = await startEcho(20);
  const upload = await echo.begin('/uploads/a', 1);
  const other = await echo.begin('/messages', 1);
  await closed(other);
  upload.write(BODY.slice(1));
  expect(await readUntil(upload, 'ello')).toContain('ello');
});

test('a connection whose request has arrived is kept', async () => {
  const echo = await startEcho(20);
  const complete = await echo.begin('/messages', BODY.length);
  const late = await echo.begin('/messages', 1);
  await closed(late);
  complete.write('GET /again HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
  const answers = await readUntil(complete, 'HTTP/1.1 200 OK\r\nConnection: close');
  expect(answers.match(/HTTP\/1\.1 200/g)).toHaveLength(2);
});
