import type { CommStorage } from '../../storage/comm-storage.ts';
import type { ClientParts } from '../client-parts.ts';
import type { ClientContext } from '../context.ts';
import { blobsOf } from '../files/kept-files.ts';
import type { ResolvedOptions } from '../options.ts';
import { LAST_USER } from '../outbox/outbox-storage.ts';
import { requireFields } from '../validation.ts';
import { deleteAll, entryPrefixes } from './cache-store.ts';

/** What `client.forget()` deletes besides what it always does. */
export interface ForgetOptions {
  /**
   * Also deletes the keys of encryption and the texts of encrypted messages that are stored with them. They can't be read on
   * this device again, and other users see that the key has changed, unless `encryption.exportBackup()` has kept it.
   * @defaultValue false
   */
  encryptionKeys?: boolean | undefined;
}

/** What {@link forgetUser} needs of the client. */
export interface Forgotten {
  readonly context: ClientContext;
  readonly storage: CommStorage;
  readonly options: Pick<ResolvedOptions, 'storage'>;
  readonly parts: ClientParts;
  readonly disconnect: () => Promise<void>;
}

/** Disconnects, and deletes what is stored of the user and what is in memory. */
export async function forgetUser(of: Forgotten, options: ForgetOptions): Promise<void> {
  requireFields('forget', options, ['encryptionKeys']);
  const { context, storage, parts } = of;
  const { outbox, offline, reader, sync, server } = parts;
  await of.disconnect();
  const last = await storage.get(LAST_USER);
  const userId = outbox.userId ?? (typeof last === 'string' ? last : undefined);
  for (const { clientId } of outbox.own()) outbox.discard(clientId);
  await outbox.settled();
  outbox.close();
  sync.forget();
  server.forget();
  reader.current?.forget();
  await offline.current?.stop();
  context.cipher?.current?.forget();
  if (userId === undefined) return;
  const user = encodeURIComponent(userId);
  await deleteBlobs(of, `${user}/outbox/`);
  const prefixes = [`${user}/outbox/`, `${user}/uploads/`, `${user}/cursors`, ...entryPrefixes(userId)];
  // Secrets of encrypted messages in the outbox.
  prefixes.push(`${user}/e2ee/${options.encryptionKeys === true ? '' : 'h/draft/'}`);
  // Twice: other tabs may write until their keys or their cache are gone.
  for (let left = 2; left > 0; left -= 1) await deleteAll(storage, prefixes);
  const names = [LAST_USER, ...(options.encryptionKeys === true ? ['e2ee/owner'] : [])];
  await storage.transact(names, (values) => {
    const own = names.filter((name) => values.get(name) === userId);
    return { writes: new Map(own.map((name) => [name, undefined])), result: undefined };
  });
}

/** Deletes the bytes of files in the outbox of earlier sessions and of other tabs. */
async function deleteBlobs({ storage, options, context }: Forgotten, outboxPrefix: string): Promise<void> {
  const items = JSON.stringify((await storage.list(outboxPrefix)).map(([, item]) => item));
  if (!items.includes('files')) return;
  try {
    const blobs = blobsOf(options);
    for (const id of (await blobs?.ids()) ?? []) if (items.includes(id)) await blobs?.delete(id);
  } catch (error) {
    context.report(error);
  }
}
