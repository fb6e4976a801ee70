/**
 * A client process that sends a file. Arguments: `<url> <storage path> <conversation id> <file path>`; the second part of the
 * file stalls half way, until the process is killed. Without a file it sends what an earlier process has left. Prints the
 * size of each part, the offsets that the server has confirmed, and what becomes of the message.
 */
import { openAsBlob, writeSync } from 'node:fs';
import { CommClient } from '../../../src/index.ts';
import { fileStorage } from '../../../src/storage/file-storage.ts';

const [url = '', storage = '', conversationId = '', file] = process.argv.slice(2);
// Synchronous, unlike console.log: a line must be written before the process can be killed.
const print = (...words: unknown[]): number => writeSync(1, `${words.join(' ')}\n`);
let parts = 0;

/** Sends the first half of a part, and then nothing. */
async function stalling(body: Blob): Promise<ReadableStream> {
  const half = new Uint8Array(await body.slice(0, body.size / 2).arrayBuffer());
  let isSent = false;
  return new ReadableStream({
    async pull(controller) {
      if (!isSent) return (controller.enqueue(half), void (isSent = true));
      print('stalled');
      await new Promise(() => undefined);
    },
  });
}

const client = new CommClient({
  url,
  userId: 'alice',
  storage: fileStorage(storage),
  async fetch(address, init = {}) {
    const { body } = init;
    if (!(body instanceof Blob)) return await fetch(address, init);
    parts += 1;
    print('part', body.size);
    const isStalling = file !== undefined && parts === 2;
    const sent = isStalling ? { body: await stalling(body), duplex: 'half' } : {};
    const response = await fetch(address, { ...init, ...sent });
    print('stored', response.headers.get('upload-offset'));
    return response;
  },
});
client.on('message:new', ({ clientId }) => print('sent', clientId));
client.on('message:failed', ({ error }) => print('failed', error.code));
if (file === undefined) await client.connect();
else {
  const sending = client.messages.send({ conversationId, content: 'caption', attachments: [await openAsBlob(file)] });
  sending.catch((error: unknown) => print('rejected', error));
  // Killed from now on, the process has stored the bytes.
  const look = (): void => {
    if (client.messages.outbox()[0]?.upload?.survivesReload === true) void client.connect();
    else setImmediate(look);
  };
  look();
}
