import { uuidTime } from '../../lib/ids.ts';
import type { Lazy } from '../../lib/lazy.ts';
import { ObservableValue, type Observable } from '../../lib/observable.ts';
import { BoundedSet } from '../../lib/bounded-map.ts';
import type { Message, MessageRef, ReactToMessage, SendMessage } from '../../protocol/messages.ts';
import type { CommStorage } from '../../storage/comm-storage.ts';
import type { ClientContext } from '../context.ts';
import { Outbox, type DispatcherModule } from '../outbox/outbox.ts';
import type { OutboxPorts } from '../outbox/remote-tabs.ts';
import type { Operation, OutboxItem, QueuedMessage } from '../outbox/outbox-item.ts';
import { filesOf, type FileUploads, type UploadProgress } from '../outbox/pending-files.ts';
import type { History } from '../timeline/history.ts';
import type { TimelineEvent } from '../timeline/timeline-reducer.ts';
import type { RestClient } from '../../transport/rest-client.ts';
import type { TimelineRegistry } from '../timeline/timeline-registry.ts';

/** The reading parts of the client, in a chunk of their own. */
export type Reading = Lazy<{
  readonly history: History;
  readonly rest: Pick<RestClient, 'ask'>;
  readonly timelines: TimelineRegistry;
}>;

/** Puts a request into the outbox. `clientId` identifies it if it becomes a message. */
export type Enqueue = (
  lane: string,
  operation: Operation,
  signal: AbortSignal | undefined,
  clientId?: string,
) => Promise<unknown>;

/** A message of this user that the server has not stored yet. */
export interface PendingMessage extends Message {
  /** Identifies the message for `messages.retry()` and `messages.discard()`. */
  clientId: string;
  /** `failed`: the server rejected it. It stays until `retry()` or `discard()`. */
  status: 'sending' | 'failed';
  /** The upload of its files; absent without files of this device. Their `url` is a preview for this page, or empty. */
  upload?: UploadProgress | undefined;
}

const NONE: readonly PendingMessage[] = Object.freeze([]);

/** How many ids of sent messages are held with a base server, which has no client ids. */
const MAX_SENT_IDS = 1_000;

/** Shows what happens to messages in the outbox in the timelines and as events. */
export class OutgoingMessages {
  readonly outbox: Outbox;
  /** The messages that are not stored yet, oldest first. */
  readonly observable: Observable<readonly PendingMessage[]>;
  #snapshot: readonly PendingMessage[] | undefined;
  #isStale = false;
  readonly #version: ObservableValue<number>;
  readonly #context: ClientContext;
  readonly #reading: Reading;
  /** With a base server: ids of messages known to be the result of a send, which can't be that of another one. */
  readonly #sentIds = new BoundedSet<string>(MAX_SENT_IDS);
  readonly #uploads: Lazy<FileUploads>;

  /**
   * @param load - loads the chunk that sends
   * @param uploads - the uploads of files in the outbox
   */
  constructor(
    context: ClientContext,
    storage: CommStorage,
    reading: Reading,
    load: () => Promise<DispatcherModule>,
    uploads: Lazy<FileUploads>,
  ) {
    this.#context = context;
    this.#version = new ObservableValue(0, context.report);
    this.#reading = reading;
    this.#uploads = uploads;
    const ports: OutboxPorts = {
      uploads,
      queued: (item, isNew) => this.#queued(item, isNew),
      stored: (item, answer) => {
        // Of an item of another tab, for which nothing else ends the previews of its files.
        uploads.current?.release(item);
        const message = context.rows.current?.parseMessage(answer);
        // Tabs exchange JSON, which is never read as decrypted: the draft has the content.
        const secret = message?.content === '' ? context.cipher?.current?.secretOf(item.clientId) : undefined;
        this.#stored(item, message && { ...message, ...secret });
      },
      failed: (item, error) => {
        const message = this.#toMessage(item);
        if (!message) return;
        uploads.current?.failed(item);
        this.#applyTo(item, 'failed');
        // Without an error it failed in another tab, which emits the event.
        if (error !== undefined)
          context.emitter.emit('message:failed', { message: { ...message, status: 'failed' }, error });
      },
      retried: (item) => this.#applyTo(item, 'retried'),
      discarded: (item) => {
        uploads.current?.release(item);
        this.#applyTo(item, 'discarded');
      },
      findStored: (item, payload) => this.#findStored(item, payload),
    };
    this.outbox = new Outbox(context, storage, ports, load);
    this.observable = {
      getSnapshot: () => (this.#snapshot ??= Object.freeze(this.pending())),
      getServerSnapshot: () => NONE,
      subscribe: this.#version.subscribe,
    };
  }

  /** Messages that are not stored yet, oldest first. */
  pending(): PendingMessage[] {
    return this.outbox
      .items()
      .map((item) => this.#toMessage(item))
      .filter((message) => message !== undefined);
  }

  /** Returns whether the user will have reacted once the outbox is empty. */
  hasReacted({ messageId, emoji }: ReactToMessage): boolean {
    for (const { operation } of this.outbox.items().reverse()) {
      if (operation.name !== 'message:react') continue;
      const { payload } = operation;
      if (payload.messageId === messageId && payload.emoji === emoji) return payload.on === true;
    }
    const ownId = this.#context.userId();
    const reactions = this.#reading.current?.timelines.find(messageId)?.reactions;
    const users = reactions?.find((each) => each.emoji === emoji)?.users;
    return ownId !== undefined && users?.includes(ownId) === true;
  }

  /** Returns the client id of a receipt for this message that already waits in the outbox. */
  queuedReceipt(lane: string, { messageId }: MessageRef): string | undefined {
    return this.outbox
      .own()
      .find(
        ({ lane: at, operation }) =>
          at === lane && operation.name === 'message:read' && operation.payload.messageId === messageId,
      )?.clientId;
  }

  #applyTo({ clientId, operation }: OutboxItem, kind: 'retried' | 'discarded' | 'failed'): void {
    this.#apply(operation.payload as QueuedMessage, { kind, clientId });
  }

  #apply({ conversationId }: Pick<Message, 'conversationId'>, event: TimelineEvent): void {
    this.#notify();
    this.#reading.current?.timelines.apply(conversationId, event);
  }

  /** Notifies once for all changes of this turn, when the outbox has made them. */
  #notify(): void {
    if (this.#isStale) return;
    this.#isStale = true;
    queueMicrotask(() => {
      this.#isStale = false;
      this.#snapshot = undefined;
      this.#version.set(this.#version.getSnapshot() + 1);
    });
  }

  #queued(item: OutboxItem, isNew: boolean): void {
    const message = this.#toMessage(item);
    if (!message) return;
    this.#apply(message, { kind: 'pending', message });
    if (isNew) this.#context.emitter.emit('message:pending', message);
    else {
      if (message.encrypted === true && message.content === '') this.#decryptDraft(item.clientId);
      // Its files, and its place behind others with files, are not known in this session.
      if (filesOf(item) ?? item.lane !== message.conversationId)
        this.#uploads()
          .then((uploads) => uploads.restore(item))
          .catch(this.#context.report);
    }
  }

  /** Shows the content of a message from another tab or an earlier session once its draft has been decrypted. */
  #decryptDraft(clientId: string): void {
    const { cipher, report } = this.#context;
    cipher?.()
      .then((engine) => engine.reveal(clientId))
      .then((secret) => secret && this.refresh(clientId))
      .catch(report);
  }

  /** Shows the current state of a message in the outbox. Returns whether there is one. */
  refresh(clientId: string): boolean {
    const message = this.pending().find((each) => each.clientId === clientId);
    if (message) this.#apply(message, { kind: 'acknowledged', clientId, message });
    return message !== undefined;
  }

  /** Our server also pushes the stored message, which then replaces the pending one; a base server only answers. */
  #stored(item: OutboxItem, message: Message | undefined): void {
    const { clientId, operation } = item;
    if (operation.name !== 'message:send') return;
    if (message !== undefined && !this.#context.has('client-id')) this.#sentIds.add(message.id);
    const isPushed = message === undefined || !this.#context.has('rev');
    if (isPushed) this.#applyTo(item, 'discarded');
    else this.#apply(operation.payload, { kind: 'acknowledged', clientId, message });
  }

  #toMessage(item: OutboxItem): PendingMessage | undefined {
    const { clientId, order, operation, parked } = item;
    if (operation.name !== 'message:send') return undefined;
    const { afterClientId: _after, files, ...payload } = operation.payload;
    const secret = this.#context.cipher?.current?.secretOf(clientId);
    return Object.freeze({
      ...payload,
      ...secret,
      ...(files && this.#uploads.current?.shown(item)),
      id: clientId,
      clientId,
      senderId: this.outbox.userId ?? '',
      createdAt: timeOf(order),
      status: parked ? 'failed' : 'sending',
      readBy: [],
    });
  }

  /** A base server doesn't recognise a repeated message, so the newest page is searched before it is sent again. */
  async #findStored({ operation, order }: OutboxItem, sealed: Operation['payload']): Promise<Message | undefined> {
    if (operation.name !== 'message:send') return undefined;
    return (await this.#reading()).history.findSent(sealed as SendMessage, timeOf(order), this.#sentIds);
  }
}

function timeOf(uuid: string): string {
  return new Date(uuidTime(uuid)).toISOString();
}
