import {
  CommClient,
  type CommClientOptions,
  type CommError,
  type ConversationView,
  type Message,
} from '../../../src/index.ts';
import { resourceCounters } from '../../../src/client/calls/webrtc/resource-counters.ts';

declare global {
  // Tests use these in `page.evaluate()`.
  var chat: Chat;
  var Chat: new (options: CommClientOptions) => Chat;
}

/** Outcome of one `send()`. */
export interface Outcome {
  content: string;
  /** The sequence number from the server, or the error code. */
  result: number | string;
}

/** A client, with a record of its events. */
export class Chat {
  readonly client: CommClient;
  readonly outcomes: Outcome[] = [];
  /** `code` of every `error` event. */
  readonly errors: string[] = [];
  readonly statuses: string[] = [];
  /** Contents of every `message:new` event. */
  readonly arrived: string[] = [];
  readonly pending: string[] = [];
  readonly failed: string[] = [];
  readonly #views = new Map<string, ConversationView>();

  constructor(options: CommClientOptions) {
    this.client = new CommClient(options);
    this.client.on('error', ({ code }) => this.errors.push(code));
    this.client.on('status', (status) => this.statuses.push(status));
    this.client.on('message:new', ({ content }) => this.arrived.push(content));
    this.client.on('message:pending', ({ content }) => this.pending.push(content));
    this.client.on('message:failed', ({ message }) => this.failed.push(message.content));
  }

  connect(): void {
    this.client.connect().catch(() => undefined);
  }

  async create(participantIds: string[], name: string): Promise<string> {
    return (await this.client.conversations.create({ type: 'group', name, participantIds })).id;
  }

  open(id: string): void {
    this.#views.set(id, this.client.conversations.open(id));
  }

  view(id: string): ConversationView {
    const view = this.#views.get(id);
    if (view === undefined) throw new Error(`${id} is not open`);
    return view;
  }

  messages(id: string): readonly Message[] {
    return this.view(id).getSnapshot().messages;
  }

  /** Status and content of each message of the view, such as `sending: hello`. */
  shown(id: string): string[] {
    return this.messages(id).map(({ status, content }) => `${status}: ${content}`);
  }

  /** Sends messages one after another without awaiting them, as a typing user does. */
  send(conversationId: string, contents: readonly string[], encrypt?: boolean): void {
    for (const content of contents) {
      this.client.messages.send({ conversationId, content, ...(encrypt === true && { encrypt }) }).then(
        ({ seq }) => this.outcomes.push({ content, result: seq ?? 'no seq' }),
        (error: unknown) => this.outcomes.push({ content, result: (error as CommError).code }),
      );
    }
  }

  outbox(): string[] {
    return this.client.messages.outbox().map(({ status, content }) => `${status}: ${content}`);
  }

  /** Returns how many unsent messages this browser stores, of all tabs together. */
  async queuedCount(): Promise<number> {
    const keys = await new Promise<IDBValidKey[]>((resolve, reject) => {
      const opening = indexedDB.open('lumen-comm');
      opening.addEventListener('error', () => reject(new Error('IndexedDB did not open')));
      opening.onsuccess = () => {
        const db = opening.result;
        if (!db.objectStoreNames.contains('entries')) {
          db.close();
          return resolve([]);
        }
        const reading = db.transaction('entries').objectStore('entries').getAllKeys();
        reading.onsuccess = () => {
          db.close();
          resolve(reading.result);
        };
      };
    });
    return keys.filter((key) => typeof key === 'string' && key.includes('/outbox/')).length;
  }

  /** Returns everything that is stored in this browser, as text. For non-extractable keys it returns only that fact. */
  async dump(): Promise<string> {
    const lines: string[] = [];
    for (const { name = '' } of await indexedDB.databases()) {
      const db = await done(indexedDB.open(name));
      for (const storeName of db.objectStoreNames) {
        const store = db.transaction(storeName).objectStore(storeName);
        const [keys, values] = await Promise.all([
          done(store.getAllKeys()),
          done(store.getAll() as IDBRequest<unknown[]>),
        ]);
        for (const [at, key] of keys.entries()) {
          const value = values[at];
          const shown =
            value instanceof CryptoKey ? `CryptoKey, extractable: ${value.extractable}` : JSON.stringify(value);
          lines.push(`${name}/${storeName}/${JSON.stringify(key)}: ${shown}`);
        }
      }
      db.close();
    }
    return lines.join('\n');
  }

  /** Returns the resources that calls hold in this page. */
  resources(): Readonly<typeof resourceCounters> {
    return resourceCounters;
  }

  async locks(): Promise<string[]> {
    const { held = [], pending = [] } = await navigator.locks.query();
    return [...held, ...pending].map(({ name }) => name ?? '');
  }

  /** Installs a service worker, so that the page can be reloaded offline. */
  async cachePage(): Promise<void> {
    await navigator.serviceWorker.register('/service-worker.js');
    await navigator.serviceWorker.ready;
  }
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.addEventListener('success', () => resolve(request.result));
    request.addEventListener('error', () => reject(new Error('IndexedDB failed')));
  });
}
