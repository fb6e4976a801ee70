import { indexedDbStorage } from '../../../src/storage/indexed-db-storage.ts';
import { increment } from '../../helpers/storage-steps.ts';

self.addEventListener('message', ({ data }: MessageEvent<{ name: string; key: string; times: number }>) => {
  void run(data.name, data.key, data.times).then(() => self.postMessage('done'));
});

async function run(name: string, key: string, times: number): Promise<void> {
  const storage = indexedDbStorage({ name });
  for (let n = 0; n < times; n += 1) await increment(storage, key);
  await storage.close();
}
