import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { serving } from './process.ts';

/** Answers each request with the number of bytes in its path (`/1234`), from a cached buffer. */
const bodies = new Map<string, Buffer>();
const http = createServer((request, response) => {
  const { url = '/0' } = request;
  let body = bodies.get(url);
  if (body === undefined) bodies.set(url, (body = Buffer.alloc(Number(url.slice(1)), 'x')));
  response.writeHead(200, { 'content-type': 'application/json; charset=utf-8', 'content-length': body.byteLength });
  response.end(body);
});
http.listen(0, '127.0.0.1', () =>
  serving((http.address() as AddressInfo).port, async () => {
    http.closeAllConnections();
    http.close();
  }),
);
