import { createReadStream, createWriteStream } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { serving } from './process.ts';

/** Stores the body of a PUT in a file, and sends it to a GET. */
const [file = ''] = process.argv.slice(2);
const http = createServer((request, response) => {
  const copying =
    request.method === 'PUT'
      ? pipeline(request, createWriteStream(file)).then(() => response.end())
      : pipeline(createReadStream(file), response);
  copying.catch(() => response.destroy());
});
http.listen(0, '127.0.0.1', () =>
  serving((http.address() as AddressInfo).port, async () => {
    http.closeAllConnections();
    http.close();
  }),
);
