import { abortable } from '../../lib/abort.ts';
import { errorFields } from '../../lib/logger.ts';
import { isRetryable } from '../../lib/retry.ts';
import { Semaphore } from '../../lib/semaphore.ts';
import { CommError, isCommError } from '../../protocol/errors.ts';
import { LIMITS } from '../../protocol/limits.ts';
import type { MessageAttachment } from '../../protocol/messages.ts';
import type { ClientStorage } from '../../storage/resilient-storage.ts';
import type { ClientContext } from '../context.ts';
import type { ResolvedOptions } from '../options.ts';
import { requireObject } from '../validation.ts';
import {
  discarded,
  type Operation,
  type OutboxItem,
  type QueuedFile,
  type QueuedMessage,
} from '../outbox/outbox-item.ts';
import { filesOf, type FileUploads, type UploadProgress, type UploadOwner } from '../outbox/pending-files.ts';
import { type Description, FileDescriptions } from './file-descriptions.ts';
import { FileTransfers, uploadError } from './file-transfers.ts';
import { FileUpload, lost } from './file-upload.ts';
import { KeptFiles } from './kept-files.ts';
import { Previews } from './previews.ts';
import { SealedFiles } from './sealed-files.ts';

interface Running {
  readonly controller: AbortController;
  readonly result: Promise<OutboxItem>;
}

/** Messages whose files are uploaded at the same time. */
const MAX_RUNNING = 3;

/** Implements {@link FileUploads}. Where an upload continues is stored beside the outbox, so that another tab can do so. */
export class PendingUploads implements FileUploads {
  readonly #context: ClientContext;
  readonly #storage: ClientStorage;
  readonly #kept: KeptFiles;
  readonly #sealed: SealedFiles;
  /** The part of the client that transfers single files. */
  readonly client: FileTransfers;
  readonly #owner: UploadOwner;
  readonly #running = new Map<string, Running>();
  readonly #previews = new Previews();
  /** Items that are being removed, or whose bytes are being stored. */
  readonly #storing = new Set<Promise<void>>();
  /** By client id: of the messages that are not sent in the lane of their conversation. */
  readonly #lanes = new Map<string, string>();
  /** By client id. */
  readonly #progress = new Map<string, Pick<UploadProgress, 'state' | 'sentBytes'>>();
  readonly #descriptions: FileDescriptions;
  readonly #files: FileUpload;
  readonly #turns = new Semaphore(MAX_RUNNING);

  constructor(context: ClientContext, storage: ClientStorage, options: ResolvedOptions, owner: UploadOwner) {
    this.#context = context;
    this.#storage = storage;
    this.#kept = new KeptFiles(context, storage, options);
    this.#sealed = new SealedFiles(context, this.#kept);
    this.client = new FileTransfers(context, options);
    this.#descriptions = new FileDescriptions(context, this.client);
    this.#files = new FileUpload(this.#kept, this.client, this.#descriptions);
    this.#owner = owner;
    context.emitter.on('status', (status) => {
      if (status === 'disconnected') this.#stop();
    });
    this.#kept
      .sweep()
      .catch((error: unknown) => context.logger.warn('Left files were not deleted', errorFields(error)));
  }

  async hold(...[message, add]: Parameters<FileUploads['hold']>): ReturnType<FileUploads['hold']> {
    const { clear, encrypt, attachments: given = [], ordered } = message;
    const { clientId, conversationId } = clear;
    if (given.length > LIMITS.attachments) {
      throw new TypeError(`attachments must be at most ${LIMITS.attachments} files; got ${given.length}`);
    }
    for (const each of given) requireObject('attachments', each);
    const files: QueuedFile[] = [];
    const blobs = new Map<string, Blob>();
    const attachments = given.map((each, at) => {
      if (!(each instanceof Blob)) return each;
      const id = this.#context.newId();
      files.push({ id, at });
      blobs.set(id, each);
      return this.client.attachmentOf(each);
    });
    const [attachment] = attachments;
    const payload: typeof clear = {
      ...clear,
      ...(attachment !== undefined && {
        attachment,
        attachments,
      }),
      ...(files.length > 0 && { files }),
    };
    const { cipher } = this.#context;
    // First, because files of a message that must be encrypted are never kept readable.
    const draft = cipher === undefined ? payload : await (await cipher()).draft(payload, encrypt);
    for (const [id, blob] of blobs) {
      if (draft.encrypted === true) this.#sealed.add(id, blob);
      else this.#kept.hold(id, blob);
      this.#previews.show(clientId, id, blob, false);
    }
    // In a lane of its own, a message that waits for its files doesn't hold up others.
    const isApart = files.length > 0 && ordered !== true;
    try {
      const answer = add(draft, isApart ? `${conversationId} ${clientId}` : conversationId);
      answer.catch(() => undefined);
      return { answer };
    } finally {
      // The outbox may be full or closed, or have a message with this client id already.
      const isQueued = this.#owner.outbox.own().some((item) => filesOf(item)?.[0]?.id === files[0]?.id);
      if (isQueued) this.#keepAll(clientId, files);
      else this.#drop(files);
      if (!this.#owner.refresh(clientId)) {
        this.#lanes.delete(clientId);
        const operation: Operation = { name: 'message:send', payload: draft };
        cipher?.current?.settled({ clientId, lane: conversationId, operation }, false);
      }
    }
  }

  laneOf(clientId: string, { name, payload }: Operation, lane: string): string {
    // That of an encrypted message is part of its secret.
    const { replyTo, threadId } = { ...payload, ...this.#context.cipher?.current?.secretOf(clientId) } as QueuedMessage;
    const messageId = 'messageId' in payload ? payload.messageId : this.#lanes.has(threadId ?? '') ? threadId : replyTo;
    const isApart = name === 'message:send' && lane !== payload.conversationId;
    const found =
      this.#lanes.get(messageId ?? '') ??
      (isApart ? this.#owner.outbox.own().find((item) => item.clientId === messageId)?.lane : undefined) ??
      lane;
    if (name === 'message:send' && found !== payload.conversationId && !this.#lanes.has(clientId)) {
      this.#lanes.set(clientId, found);
    }
    return found;
  }

  async restore(item: OutboxItem): Promise<void> {
    if (item.lane !== (item.operation.payload as QueuedMessage).conversationId)
      this.#lanes.set(item.clientId, item.lane);
    const files = filesOf(item) ?? [];
    for (const [id, clientId] of this.#previews.restored()) {
      // Another tab has encrypted its files, which are others now.
      const isReplaced = clientId === item.clientId && files.every((file) => file.id !== id);
      if (isReplaced || !this.#owner.refresh(clientId)) this.#drop([{ id, at: 0 }]);
    }
    for (const file of files) {
      try {
        const blob = await this.#readable(item, file);
        // It may have ended in the meantime.
        if (!this.#owner.refresh(item.clientId)) this.#drop([file]);
        else if (blob !== undefined) this.#previews.show(item.clientId, file.id, blob, true);
      } catch (error) {
        this.#context.logger.warn('A file has no preview', { id: file.id, ...errorFields(error) });
      }
    }
    if (!this.#owner.refresh(item.clientId)) this.#lanes.delete(item.clientId);
  }

  shown(item: OutboxItem): ReturnType<FileUploads['shown']> {
    const files = filesOf(item) ?? [];
    const secret = this.#context.cipher?.current?.secretOf(item.clientId);
    const attachments = [...((secret ?? (item.operation.payload as QueuedMessage)).attachments ?? [])];
    let totalBytes = 0;
    for (const { id, at } of files) {
      const attachment = attachments[at];
      // The secret of another tab, or of an earlier session, is not decrypted yet.
      if (attachment === undefined) continue;
      // The preview is not encrypted.
      const { keys: _keys, ...described } = attachment;
      attachments[at] = { ...described, url: this.#previews.urlOf(id) };
      totalBytes += attachment.fileSize;
    }
    const survivesReload = !this.#storage.hasFailed && files.every(({ id }) => this.#kept.isStored(id));
    const progress = this.#progress.get(item.clientId) ?? { state: item.parked ? 'failed' : 'waiting', sentBytes: 0 };
    return { attachment: attachments[0], attachments, upload: { ...progress, totalBytes, survivesReload } };
  }

  upload(item: OutboxItem): Promise<OutboxItem> {
    const { clientId } = item;
    const running = this.#running.get(clientId);
    if (running?.controller.signal.aborted === false) return running.result;
    const controller = new AbortController();
    const { signal } = controller;
    const result = this.#after(running, item, signal).catch((error: unknown) => {
      // The outbox decides whether it is tried again, and calls `failed()` if not.
      const isWaiting = signal.aborted || isRetryable(error);
      // Ends what is left of it, such as the upload of a thumbnail.
      controller.abort(error);
      if (isWaiting) this.#show(item, 'waiting');
      else this.failed(item);
      throw error;
    });
    const started = { controller, result };
    this.#running.set(clientId, started);
    const end = (): void => {
      if (this.#running.get(clientId) === started) this.#running.delete(clientId);
    };
    result.then(end, end);
    return result;
  }

  failed(item: OutboxItem): void {
    for (const { id } of filesOf(item) ?? []) this.#descriptions.failed(id);
    if (this.#progress.has(item.clientId)) this.#show(item, 'failed');
  }

  release(item: OutboxItem): void {
    this.#end(item, new CommError('DISCONNECTED', 'Another user has signed in'));
    this.#drop(filesOf(item) ?? []);
  }

  remove(item: OutboxItem, isStored: boolean): Promise<void> {
    return this.#track(this.#remove(item, isStored));
  }

  async settled(): Promise<void> {
    await Promise.all([this.#kept.settled(), ...this.#storing]);
  }

  #track(storing: Promise<void>): Promise<void> {
    this.#storing.add(storing);
    return storing.finally(() => this.#storing.delete(storing));
  }

  async #remove(item: OutboxItem, isStored: boolean): Promise<void> {
    const files = filesOf(item) ?? [];
    for (const { id } of files) this.#previews.hide(id);
    await this.#end(item, discarded())?.result.catch(() => undefined);
    await this.#forgetAll(files, isStored);
  }

  /** Forgets files and deletes what is stored of them. Never rejects. */
  async #forgetAll(files: readonly QueuedFile[], isStored: boolean): Promise<void> {
    for (const { id } of files) {
      this.#previews.hide(id);
      try {
        await this.#forget(id, isStored);
      } catch (error) {
        this.#context.logger.warn('The bytes of a file were not deleted', { id, ...errorFields(error) });
      }
    }
  }

  /** Ends the upload of an item that is not shown any more. */
  #end({ clientId }: OutboxItem, reason: CommError): Running | undefined {
    const running = this.#running.get(clientId);
    running?.controller.abort(reason);
    this.#progress.delete(clientId);
    this.#lanes.delete(clientId);
    return running;
  }

  /** Forgets files, but not what is stored of them. */
  #drop(files: readonly QueuedFile[]): void {
    for (const { id } of files) {
      this.#previews.hide(id);
      this.#sealed.drop(id);
      this.#kept.drop(id);
    }
  }

  /** Ends all uploads; they continue with the next `upload()`. */
  #stop(): void {
    for (const { controller } of this.#running.values()) {
      controller.abort(new CommError('DISCONNECTED', 'The client is not connected'));
    }
  }

  /** Uploads the files of an item once an earlier upload of it, which was ended, has stopped: both would change the same files. */
  async #after(earlier: Running | undefined, queued: OutboxItem, signal: AbortSignal): Promise<OutboxItem> {
    await earlier?.result.catch(() => undefined);
    const { clientId } = queued;
    // It may have encrypted the message.
    const item = earlier === undefined ? queued : this.#owner.outbox.own().find((each) => each.clientId === clientId);
    if (item === undefined) throw discarded();
    return await this.#turns.run(() => this.#uploadAll(item, signal), signal);
  }

  async #uploadAll(queued: OutboxItem, signal: AbortSignal): Promise<OutboxItem> {
    // The user may have been unknown when the message was queued.
    this.#keepAll(queued.clientId, filesOf(queued) ?? []);
    const item = await this.#sealIfRequired(queued, signal);
    const { clientId } = item;
    const { files = [], ...message } = item.operation.payload as QueuedMessage;
    const { conversationId } = message;
    const cipher = message.encrypted === true ? await this.#sealed.cipher() : undefined;
    for (const file of files) await this.#seal(clientId, file, signal);
    const attachments = [...((await cipher?.attachmentsOf(clientId)) ?? message.attachments ?? [])];
    if (cipher === undefined && attachments.length > 1 && !this.#context.has('uploads')) {
      throw new CommError('UNSUPPORTED', 'This server takes one file per message');
    }
    let doneBytes = 0;
    let isChanged = false;
    for (const file of files) {
      await this.#refuseRequired(item, true);
      const attachment = attachments[file.at] as MessageAttachment;
      const onProgress = (bytes: number): void => {
        // The tags of an encrypted file are no progress.
        this.#show(item, 'uploading', doneBytes + Math.min(bytes, attachment.fileSize));
      };
      onProgress(0);
      const bytes = async (): Promise<Blob | undefined> => await this.#readable(item, file);
      const check = (): Promise<void> => this.#refuseRequired(item, false);
      const described = { id: file.id, conversationId, mimeType: attachment.mimeType, cipher, bytes, check };
      const describe = (): Promise<Description> => this.#descriptions.describe(described, () => uploading, signal);
      let describing: Promise<Description> | undefined;
      // Not before the place of the upload is stored: from then on the message counts as partly sent.
      const begun = (): void => void (describing ??= attachment.url === '' ? describe() : undefined);
      const uploading = this.#files.upload({ ...described, attachment, begun, onProgress }, signal);
      const url = await uploading;
      await describing;
      doneBytes += attachment.fileSize;
      // The envelope of an earlier session names it.
      if (attachment.url === url) continue;
      isChanged = true;
      const { thumbnailUrl: _url, thumbnailKeys: _keys, ...rest } = attachment;
      // Made again if the upload had expired, because the one of the thumbnail has, too. What is known of a recorded voice message is
      // not changed.
      attachments[file.at] = { ...(await describe()), ...rest, url };
    }
    this.#show(item, 'uploaded', doneBytes);
    if (cipher === undefined) {
      const payload = { ...message, attachment: attachments[0], attachments };
      return { ...item, hasReadableFiles: true, operation: { name: 'message:send', payload } };
    }
    signal.throwIfAborted();
    if (isChanged) await cipher.attach(clientId, () => attachments);
    // Deleted after a failed send, they would be missing in the next one.
    for (const { id } of files) this.#descriptions.named(id);
    return { ...item, operation: { name: 'message:send', payload: message } };
  }

  /** @throws CommError `UPLOAD_FAILED` if the bytes can't be read, for example because the file was deleted */
  async #seal(clientId: string, file: QueuedFile, signal: AbortSignal): Promise<void> {
    try {
      await abortable(this.#sealed.seal(clientId, file), signal);
    } catch (error) {
      signal.throwIfAborted();
      throw isCommError(error) ? error : uploadError(error);
    }
  }

  /** Encrypts a message that was queued readable if it has to be encrypted now, unless a part of its files has left the device. */
  async #sealIfRequired(item: OutboxItem, signal: AbortSignal): Promise<OutboxItem> {
    const { clientId } = item;
    const payload = item.operation.payload as QueuedMessage;
    const queued = filesOf(item) ?? [];
    const { cipher } = this.#context;
    if (cipher === undefined || payload.encrypted === true) return item;
    const engine = await cipher();
    if (!(await (await engine.files()).isRequired(payload.conversationId, true))) return item;
    const targets = await Promise.all(queued.map(({ id }) => this.#kept.targetOf(id)));
    if (targets.some((target) => target !== undefined)) return item;
    const draft = await engine.draft({ ...payload, clientId }, true);
    const files = queued.map((file) => ({ ...file, id: this.#context.newId() }));
    const sealed: OutboxItem = { ...item, operation: { name: 'message:send', payload: { ...draft, files } } };
    try {
      for (const [n, file] of files.entries()) {
        const blob = await this.#kept.bytesOf(queued[n]?.id ?? '');
        if (blob === undefined) throw lost();
        this.#sealed.add(file.id, blob);
        await this.#seal(clientId, file, signal);
        await this.#kept.keep(file.id);
      }
      signal.throwIfAborted();
      if (!(await this.#owner.outbox.replace(sealed))) throw discarded();
    } catch (error) {
      await this.#forgetAll(files, false);
      throw error;
    }
    await this.#forgetAll(queued, false);
    // The bytes that were given may have been deleted with the readable ones.
    for (const { id } of files) this.#sealed.drop(id);
    // There may have been no room beside the readable ones.
    this.#keepAll(clientId, files);
    await this.restore(sealed);
    return sealed;
  }

  /**
   * Ends the upload of a readable message whose conversation requires encryption by now.
   *
   * @throws CommError `INVALID`
   */
  async #refuseRequired({ operation }: OutboxItem, isAsked: boolean): Promise<void> {
    const { cipher } = this.#context;
    const { encrypted, conversationId, files = [] } = operation.payload as QueuedMessage;
    if (cipher === undefined || encrypted === true) return;
    if (!(await (await (await cipher()).files()).isRequired(conversationId, isAsked))) return;
    for (const { id } of files) {
      const target = await this.#kept.targetOf(id);
      if (target !== undefined) this.client.giveUp(target);
    }
    throw new CommError('INVALID', 'The conversation has required encryption since the upload of a file has begun', {
      fix: 'Discard the message and send the files again.',
    });
  }

  /** Returns the bytes of a file as the app gave them; `undefined` if they are not stored. */
  async #readable(item: OutboxItem, file: QueuedFile): Promise<Blob | undefined> {
    const { encrypted } = item.operation.payload as QueuedMessage;
    return await (encrypted === true ? this.#sealed.readable(item.clientId, file) : this.#kept.bytesOf(file.id));
  }

  #show(
    { clientId }: OutboxItem,
    state: UploadProgress['state'],
    sentBytes = this.#progress.get(clientId)?.sentBytes ?? 0,
  ): void {
    this.#progress.set(clientId, { state, sentBytes });
    // The item may have ended.
    if (!this.#owner.refresh(clientId)) this.#progress.delete(clientId);
  }

  async #forget(id: string, isStored: boolean): Promise<void> {
    this.#files.forget(id);
    this.#descriptions.forget(id, isStored);
    this.#sealed.drop(id);
    const target = isStored ? undefined : await this.#kept.targetOf(id);
    if (target !== undefined) this.client.giveUp(target);
    await this.#kept.delete(id);
  }

  /** Stores bytes that are only in memory, those of encrypted messages after they are encrypted. */
  #keepAll(clientId: string, files: readonly QueuedFile[]): void {
    const keep = async (file: QueuedFile): Promise<void> => {
      // The upload fails with the same error.
      await this.#sealed.seal(clientId, file).catch(() => undefined);
      await this.#kept.keep(file.id);
    };
    const kept = async (): Promise<void> => {
      await Promise.all(files.map(keep));
      this.#owner.refresh(clientId);
    };
    void this.#track(kept());
  }
}
