import { createReadStream, createWriteStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { serving } from './process.ts';

/** Stores the body of a PUT in a file, and sends it to a GET. With `sync`, the file is on the disk before the answer. */
const [file = '', sync] = process.argv.slice(2);
const store = async (request: IncomingMessage): Promise<void> => {
  await pipeline(request, createWriteStream(file));
  if (sync !== 'sync') return;
  await using handle = await open(file, 'r+');
  await handle.datasync();
};
const http = createServer((request, response) => {
  const copying =
    request.method === 'PUT' ? store(request).then(() => response.end()) : pipeline(createReadStream(file), response);
  copying.catch(() => response.destroy());
});
http.listen(0, '127.0.0.1', () =>
  serving((http.address() as AddressInfo).port, async () => {
    http.closeAllConnections();
    http.close();
  }),
);
