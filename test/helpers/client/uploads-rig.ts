import type { Cipher, FileCipher } from '../../../src/client/cipher.ts';
import { PendingUploads } from '../../../src/client/files/pending-uploads.ts';
import type { ResolvedOptions } from '../../../src/client/options.ts';
import type { OutboxItem } from '../../../src/client/outbox/outbox-item.ts';
import type { UploadProgress } from '../../../src/client/outbox/pending-files.ts';
import { memoryStorage } from '../../../src/index.ts';
import type { BlobStorage } from '../../../src/storage/comm-storage.ts';
import type { ClientStorage } from '../../../src/storage/resilient-storage.ts';
import { lazy } from '../../../src/lib/lazy.ts';
import type { MessageAttachment } from '../../../src/protocol/messages.ts';
import { fakeContext } from './context.ts';

const never = (): never => {
  throw new Error('Not used in these tests');
};

/** The uploads of one message, with a cipher, an outbox and a server worked by hand. */
export class UploadsRig {
  readonly context = fakeContext();
  /** The method and size of each request. */
  readonly requests: string[] = [];
  /** The message in the outbox. */
  item: OutboxItem | undefined;
  /** The files of the draft of the message. */
  draft: readonly MessageAttachment[] = [];
  /** What the server is asked. */
  isRequired = (): Promise<boolean> => Promise.resolve(false);
  /** Called before the outbox replaces the message. */
  replacing = (): Promise<unknown> => Promise.resolve();
  seal = (file: Blob): Promise<Blob> => Promise.resolve(new Blob([file, new Uint8Array(16)]));
  decrypt = (sealed: Blob): Promise<Blob> => Promise.resolve(sealed.slice(0, -16));
  sealed = 0;
  /** Writes that the storage will reject. */
  failingWrites = 0;
  /** Bytes that the device keeps, by id, and how many files it has room for. */
  readonly kept = new Map<string, Blob>();
  room = Infinity;
  readonly uploads: PendingUploads;
  #uploads = 0;
  /** Bytes that the server has, by URL. */
  readonly #stored = new Map<string, number>();

  constructor() {
    const files: FileCipher = {
      seal: async (file) => {
        const sealed = await this.seal(file);
        this.sealed += 1;
        return { sealed, keys: { key: `k${this.sealed}`, prefix: '', size: file.size, sha256: '' } };
      },
      open: never,
      decrypt: (sealed) => this.decrypt(sealed),
      isSealed: () => true,
      isRequired: (_id, isAsked) => (isAsked ? this.isRequired() : Promise.resolve(false)),
      attachmentsOf: () => Promise.resolve(this.draft),
      attach: async (_clientId, change) => {
        await Promise.resolve();
        this.draft = change(this.draft) ?? this.draft;
      },
    };
    const engine: Pick<Cipher, 'draft' | 'files' | 'secretOf' | 'settled'> = {
      draft: (payload, wanted) => {
        if (wanted !== true) return Promise.resolve(payload);
        this.draft = payload.attachments ?? [];
        const { attachment: _attachment, attachments: _attachments, ...outer } = payload;
        return Promise.resolve({ ...outer, content: '', encrypted: true });
      },
      files: lazy(() => Promise.resolve(files)),
      secretOf: () => undefined,
      settled: () => undefined,
    };
    const cipher = lazy(() => Promise.resolve(engine as Cipher));
    const request = (): Promise<never> => {
      this.#uploads += 1;
      const at = String(this.#uploads);
      return Promise.resolve({ uploadUrl: `https://server/${at}`, key: `/files/${at}`, protocol: 'tus' } as never);
    };
    const memory = memoryStorage();
    const transact: typeof memory.transact = (keys, step) => {
      this.failingWrites -= 1;
      return this.failingWrites >= 0 ? Promise.reject(new Error('The disk failed')) : memory.transact(keys, step);
    };
    const storage: ClientStorage = {
      hasFailed: false,
      optional: memory,
      get: (key) => memory.get(key),
      list: (prefix) => memory.list(prefix),
      close: () => memory.close(),
      transact,
    };
    const blobs: BlobStorage = {
      get: (id) => Promise.resolve(this.kept.get(id)),
      put: (id, blob) => {
        if (this.kept.size >= this.room) return Promise.reject(new DOMException('Full', 'QuotaExceededError'));
        this.kept.set(id, blob);
        return Promise.resolve();
      },
      delete: (id) => Promise.resolve(void this.kept.delete(id)),
      ids: () => Promise.resolve([...this.kept.keys()]),
    };
    const options = { storage: { blobs }, url: 'https://server', restPath: '/api', fetch: this.#fetch };
    const owner = {
      refresh: () => this.item !== undefined,
      outbox: {
        own: () => (this.item === undefined ? [] : [this.item]),
        replace: async (item: OutboxItem) => {
          await this.replacing();
          this.item = item;
          return true;
        },
      },
    };
    this.context.caps.add('uploads');
    this.uploads = new PendingUploads(
      { ...this.context, cipher, requester: { request } },
      storage,
      options as unknown as ResolvedOptions,
      owner,
    );
  }

  get progress(): UploadProgress['state'] | undefined {
    return this.item && this.uploads.shown(this.item).upload.state;
  }

  /** Puts a message with files into the outbox. */
  async hold(attachments: Blob[], encrypt?: boolean): Promise<OutboxItem> {
    const clear = { clientId: 'one', conversationId: 'c', content: 'x', type: 'text' } as const;
    await this.uploads.hold({ clear, encrypt, attachments }, (payload, lane = 'c') => {
      this.item = { clientId: 'one', order: '', lane, operation: { name: 'message:send', payload }, parked: false };
      return new Promise(() => undefined);
    });
    return this.item ?? never();
  }

  readonly #fetch = (url: string, { method, body }: RequestInit = {}): Promise<Response> => {
    const size = body instanceof Blob ? body.size : 0;
    this.requests.push(`${method} ${size}`);
    const offset = (this.#stored.get(url) ?? 0) + size;
    this.#stored.set(url, offset);
    return Promise.resolve(new Response(null, { status: 204, headers: { 'upload-offset': String(offset) } }));
  };
}
