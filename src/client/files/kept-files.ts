import { uuidTime } from '../../lib/ids.ts';
import { errorFields } from '../../lib/logger.ts';
import type { BlobStorage, Storable } from '../../storage/comm-storage.ts';
import { indexedDbBlobs } from '../../storage/indexed-db-blobs.ts';
import type { ClientStorage } from '../../storage/resilient-storage.ts';
import { fields } from '../../transport/fields.ts';
import type { ClientContext } from '../context.ts';
import type { ResolvedOptions } from '../options.ts';
import type { UploadTarget } from './file-transfers.ts';

/** Bytes to which no message in the outbox refers are deleted after this time, in ms. */
const ORPHAN_TTL_MS = 86_400_000;

/** The bytes of files in the outbox, and where their uploads continue: on this device if it keeps them, else in memory. */
export class KeptFiles {
  readonly #context: ClientContext;
  readonly #storage: ClientStorage;
  readonly #blobs: BlobStorage | undefined;
  /** Bytes that are not stored on this device, by id. */
  readonly #bytes = new Map<string, Blob>();
  /** Ids of files whose bytes are stored on this device. */
  readonly #stored = new Set<string>();
  /** Bytes that are being stored. */
  readonly #keeping = new Map<string, Promise<void>>();

  constructor(context: ClientContext, storage: ClientStorage, options: ResolvedOptions) {
    this.#context = context;
    this.#storage = storage;
    this.#blobs = blobsOf(options);
  }

  /** Holds bytes in memory, until `keep()` has stored them. */
  hold(id: string, blob: Blob): void {
    this.#bytes.set(id, blob);
  }

  /** Forgets bytes, but not what is stored of them. */
  drop(id: string): void {
    this.#bytes.delete(id);
    this.#stored.delete(id);
  }

  isStored(id: string): boolean {
    return this.#stored.has(id);
  }

  /** Stores bytes that are only in memory. Never rejects. */
  async keep(id: string): Promise<void> {
    const blob = this.#bytes.get(id);
    if (blob === undefined) return;
    const keeping = this.#keeping.get(id) ?? this.#keep(id, blob).finally(() => this.#keeping.delete(id));
    this.#keeping.set(id, keeping);
    await keeping;
  }

  /** Resolves when `keep()` has ended for all files. */
  async settled(): Promise<void> {
    await Promise.all(this.#keeping.values());
  }

  async delete(id: string): Promise<void> {
    await this.#keeping.get(id);
    this.drop(id);
    await this.#blobs?.delete(id);
    await this.write(id, undefined);
  }

  /** Returns the bytes of a file. */
  async bytesOf(id: string): Promise<Blob | undefined> {
    const held = this.#bytes.get(id);
    if (held !== undefined) return held;
    const blob = await this.#blobs?.get(id).catch((error: unknown) => {
      this.#context.logger.warn('The bytes of a file could not be read', { id, ...errorFields(error) });
      return undefined;
    });
    if (blob !== undefined) this.#stored.add(id);
    return blob;
  }

  /** Returns where the upload of a file continues. */
  async targetOf(id: string): Promise<UploadTarget | undefined> {
    const key = this.#keyOf(id);
    const { uploadUrl, url, isTus, isDirect } =
      fields(key === undefined ? undefined : await this.#storage.get(key)) ?? {};
    return typeof uploadUrl === 'string' && typeof url === 'string'
      ? { uploadUrl, url, isTus: isTus === true, isDirect: isDirect === true }
      : undefined;
  }

  /** Stores where the upload of a file continues; `undefined` deletes it. */
  async write(id: string, value: Storable | undefined): Promise<void> {
    const key = this.#keyOf(id);
    if (key === undefined) return;
    await this.#storage.transact([], () => ({ writes: new Map([[key, value]]), result: undefined }));
  }

  /** Deletes bytes, and the places of uploads, of messages that were discarded or stored while the page was closed in between. */
  async sweep(): Promise<void> {
    const before = this.#context.clock.now() - ORPHAN_TTL_MS;
    const ids = (await this.#blobs?.ids()) ?? [];
    const prefix = this.#keyOf('');
    const targets = prefix === undefined ? [] : await this.#storage.list(prefix);
    const all = new Set([...ids, ...targets.map(([key]) => key.slice(prefix?.length))]);
    const old = [...all].filter((id) => uuidTime(id) < before);
    if (old.length === 0) return;
    const entries = (await this.#storage.list('')).filter(([key]) => key.includes('/outbox/'));
    const outbox = JSON.stringify(entries.map(([, item]) => item));
    // Memory, which replaces a storage that has failed, may lack items.
    if (this.#storage.hasFailed) return;
    for (const id of old) {
      if (outbox.includes(id)) continue;
      await this.#blobs?.delete(id);
      await this.write(id, undefined);
    }
  }

  #keyOf(id: string): string | undefined {
    const userId = this.#context.userId();
    return userId === undefined ? undefined : `${encodeURIComponent(userId)}/uploads/${id}`;
  }

  async #keep(id: string, blob: Blob): Promise<void> {
    // Without a user the item itself is not stored either.
    if (this.#blobs === undefined || this.#context.userId() === undefined) return;
    try {
      await this.#blobs.put(id, blob);
      this.#stored.add(id);
      this.#bytes.delete(id);
    } catch (error) {
      // For example if the storage is full: the bytes stay in memory, which the message says.
      this.#context.logger.warn('The bytes of a file were not stored', { id, ...errorFields(error) });
    }
  }
}

/** Returns where files are kept: by the app's own storage, or beside it in IndexedDB if it belongs to this browser. */
export function blobsOf({ storage }: Pick<ResolvedOptions, 'storage'>): BlobStorage | undefined {
  if (storage?.blobs !== undefined) return storage.blobs;
  if (!('indexedDB' in globalThis)) return undefined;
  if (storage === undefined) return indexedDbBlobs('lumen-comm-files');
  return storage.sharedAs === undefined ? undefined : indexedDbBlobs(`${storage.sharedAs}-files`);
}
