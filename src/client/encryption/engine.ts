import { lazily, lazy, type Lazy } from '../../lib/lazy.ts';
import type { Conversation } from '../../protocol/conversations.ts';
import type { DecryptionFailure, EncryptedEnvelope } from '../../protocol/encryption.ts';
import { isCommError } from '../../protocol/errors.ts';
import type { EditMessage, Message, ReactToMessage } from '../../protocol/messages.ts';
import type { CommStorage } from '../../storage/comm-storage.ts';
import { isVolatile } from '../../storage/memory-storage.ts';
import type { ClientStorage } from '../../storage/resilient-storage.ts';
import { fields, type Fields } from '../../transport/fields.ts';
import type { ParsedPush } from '../../transport/parse-push.ts';
import type { Cipher, Outgoing, QueuedMessage, SealedRecords, Secret } from '../cipher.ts';
import type { ClientContext } from '../context.ts';
import { memberPages, type MemberSource } from '../read-members.ts';
import type { EncryptionOptions } from '../options.ts';
import type { Encryption } from './encryption.ts';
import type { FileEncryption } from './file-encryption.ts';
import { AllMembers, ConversationMembers, MEMBER_REQUESTS } from './groups/conversation-members.ts';
import type { SenderKeyRequester } from './groups/sender-key-requester.ts';
import type { CallKeyExchange } from './keys/call-key-exchange.ts';
import { PreKeyPublisher } from './keys/prekey-publisher.ts';
import { DraftStore } from './keystore/draft-store.ts';
import { checkKeyOwner } from './keystore/key-owner.ts';
import { KeystoreProvider } from './keystore/keystore-provider.ts';
import { DISTRIBUTED_KEYS, type Keystore, RECEIVING_CHAINS, RECORDS, RESENT_COPIES } from './keystore/keystore.ts';
import {
  pickSecret,
  refuseInvalidMetadata,
  refuseReadableFiles,
  refuseSealedFiles,
  splitEdit,
  threadOf,
} from './keystore/plaintexts.ts';
import { RequiredConversations } from './keystore/required-conversations.ts';
import type { Backlog, BacklogPorts } from './messages/backlog.ts';
import { findMessageRows, replaceRows } from './messages/message-rows.ts';
import { MessageDecryptor } from './messages/message-decryptor.ts';
import { MessageEncryptor } from './messages/message-encryptor.ts';
import { PushDecryptor } from './messages/push-decryptor.ts';
import type { SearchQuery } from './messages/search-plaintexts.ts';
import type { DecryptionEffects } from './sessions/decrypt-envelope.ts';
import { MailboxReceiver } from './sessions/mailbox-receiver.ts';
import { MailboxSender } from './sessions/mailbox-sender.ts';
import { SessionManager } from './sessions/session-manager.ts';

/** What encryption needs of the rest of the client. */
export interface EnginePorts {
  /** The user's id as soon as it is known. */
  userId(): string | undefined;
  conversation(conversationId: string): Promise<Conversation>;
  /** Returns what requests REST routes. */
  rest(): Promise<MemberSource>;
  /** Returns a message from memory or from the server. */
  find(messageId: string): Promise<Message>;
  /** Reads a page of history. */
  page: BacklogPorts['page'];
  /** Shows a message that could not be decrypted before and is decrypted now. */
  amend(message: Message): void;
}

/** Requests whose responses are messages that the payload may have encrypted. */
const SEALED_REQUESTS: ReadonlySet<string> = new Set(['message:send', 'message:edit']);

/** Constructs and connects the parts of encryption. All outgoing and incoming messages pass through it. */
export class Engine implements Cipher {
  readonly api: Encryption;
  readonly callKeys: Lazy<CallKeyExchange>;
  readonly files: Lazy<FileEncryption>;
  readonly #context: ClientContext;
  readonly #keystores: KeystoreProvider;
  readonly #drafts = new DraftStore();
  readonly #requiredConversations: RequiredConversations;
  readonly #publisher: PreKeyPublisher;
  readonly #mailboxSender: MailboxSender;
  readonly #sessions: SessionManager;
  readonly #allMembers: AllMembers;
  readonly #members: ConversationMembers;
  readonly #encryptor: MessageEncryptor;
  readonly #decryptor: MessageDecryptor;
  readonly #backlog: Lazy<Backlog>;
  readonly #senderKeyRequester: Lazy<SenderKeyRequester>;
  readonly #pushes: PushDecryptor;
  readonly #conversation: (conversationId: string) => Promise<Conversation>;
  readonly #checkOwner: (userId: string) => Promise<void>;
  readonly #filesPath: string;
  #userId: string | undefined;

  constructor(
    context: ClientContext,
    storage: ClientStorage,
    options: {
      userId?: string | undefined;
      encryption: EncryptionOptions | undefined;
      storage: CommStorage | undefined;
      restPath: string;
    },
    ports: EnginePorts,
  ) {
    this.#context = context;
    const { atRest, policy = 'warn', required } = options.encryption ?? {};
    this.#conversation = (id) => ports.conversation(id);
    this.#checkOwner = (userId) => checkKeyOwner(storage, userId, options.userId);
    const userId = (): string | undefined => this.#userId ?? ports.userId();
    const volatile = options.storage === undefined ? !('indexedDB' in globalThis) : isVolatile(options.storage);
    const { logger, newId } = context;
    const random = (length: number): Uint8Array<ArrayBuffer> => context.random.bytes(length);
    const hasStorageFailed = (): boolean => storage.hasFailed;
    const keystoreDeps = { storage, atRest, isVolatile: volatile, hasStorageFailed, logger, random, newId };
    this.#keystores = new KeystoreProvider(keystoreDeps, userId);
    const keystore = (): Promise<Keystore> => this.#keystores.get();
    this.#requiredConversations = new RequiredConversations(storage, required, {
      conversation: (id) => ports.conversation(id),
      report: context.report,
    });
    this.#publisher = new PreKeyPublisher(context);
    this.#mailboxSender = new MailboxSender(context);
    this.#sessions = new SessionManager(context, policy, {
      identityChanged: (change) => context.emitter.emit('encryption:identity-changed', change),
    });
    this.#allMembers = new AllMembers(memberPages(() => ports.rest()));
    this.#members = new ConversationMembers(context, policy, async (id) => {
      const conversation = await ports.conversation(id);
      return { type: conversation.type, userIds: await this.#allMembers.of(conversation) };
    });
    const encryptorPorts = {
      keystore,
      ready: () => this.#publisher.ready,
      findMessage: (id: string) => ports.find(id),
      isRequired: (id: string, isExact?: boolean) => this.#requiredConversations.isRequired(id, isExact),
      othersIn: (of: Keystore, id: string) => this.#members.othersIn(of, id),
    };
    this.#filesPath = `${options.restPath}/files/`;
    this.#encryptor = new MessageEncryptor(
      context,
      encryptorPorts,
      this.#drafts,
      this.#sessions,
      this.#mailboxSender,
      this.#filesPath,
    );
    this.#senderKeyRequester = lazy(async () => {
      const module = await import('./groups/sender-key-requester.ts');
      return new module.SenderKeyRequester(context, this.#sessions, (of) => this.#flushMailbox(of));
    });
    this.files = lazy(async () => {
      const { FileEncryption } = await import('./file-encryption.ts');
      return new FileEncryption(random, this.#keystores, this.#drafts, this.#requiredConversations);
    });
    this.callKeys = lazy(async () => {
      const module = await import('./keys/call-key-exchange.ts');
      return new module.CallKeyExchange(context, this.#keystores, this.#sessions, this.#publisher, this.#mailboxSender);
    });
    this.#backlog = lazy(async () => {
      const { Backlog } = await import('./messages/backlog.ts');
      const retrySender = (of: Keystore, senderId: string): void => this.#pushes.retrySender(of, senderId);
      const messageUpdated = (message: Message): void => ports.amend(message);
      return new Backlog({ page: (query) => ports.page(query), messageUpdated, retrySender, sessionLost });
    });
    const sessionLost = (of: Keystore, senderId: string, reason?: DecryptionFailure): void =>
      this.#resetSession(of, senderId, reason === 'unknown-prekey');
    const decryptionSuspect = (of: Keystore, envelope: EncryptedEnvelope): void => this.#countFailure(of, envelope);
    this.#decryptor = new MessageDecryptor(context, policy, {
      keystore,
      effects: (of, senderId, effects) => this.#perform(of, senderId, effects, effects.sessionStarted === true),
      sessionLost,
      decryptionSuspect,
      backlogFound: (of, message) => {
        this.#backlog()
          .then((backlog) => backlog.read(of, message))
          .catch(context.report);
      },
      isRequired: (id, isLive) =>
        isLive ? this.#requiredConversations.isRequired(id) : this.#requiredConversations.isKnownRequired(id),
      recipientsSeen: (of, message, to, isLive) => {
        this.#members.compare(of, message, to, isLive).catch((error: unknown) => {
          // Without the reported members there is nothing to compare.
          if (!isCommError(error)) context.report(error);
        });
      },
      findMessage: (id) => ports.find(id),
      messagesSeen: (of, messages) => this.#members.recordSenders(of, messages),
      senderKeyMissing: (of, senderId, cid, chainId) => {
        this.#senderKeyRequester()
          .then((requester) => requester.schedule(of, senderId, cid, chainId))
          .catch(context.report);
      },
    });
    const mailbox = new MailboxReceiver(context, policy, {
      effects: (of, senderId, effects, retry) => this.#perform(of, senderId, effects, retry),
      sessionLost,
      decryptionSuspect,
      sessionReset: (of, senderId) => void this.#resend(of, senderId).catch(context.report),
    });
    this.#pushes = new PushDecryptor(context, {
      keystores: this.#keystores,
      decryptor: this.#decryptor,
      mailbox,
      members: this.#members,
      publisher: this.#publisher,
      messageUpdated: (message) => ports.amend(message),
    });
    // Also emitted for conversations that the user has left while this device was offline.
    context.emitter.on('conversation:left', ({ conversationId, userId: leaver }) => this.#left(conversationId, leaver));
    this.api = lazily(
      async () => {
        const { EncryptionClient } = await import('./encryption-client.ts');
        return new EncryptionClient({
          context,
          keystores: this.#keystores,
          policy,
          publisher: this.#publisher,
          files: this.files,
          requiredConversations: this.#requiredConversations,
          members: this.#members,
          retrySender: (of, senderId) => this.#pushes.retrySender(of, senderId),
          erased: () => this.#forgetStored(),
          activated: (of) => this.#activated(of),
        });
      },
      () => this.#publisher.ready,
    );
  }

  async connected(userId: string): Promise<void> {
    try {
      await this.#checkOwner(userId);
    } catch (error) {
      this.#publisher.failed(error);
      throw error;
    }
    this.#userId = userId;
    try {
      // Before the keystore is opened, because the requirement also applies while it is locked.
      await this.#requiredConversations.list();
      const keystore = await this.#keystores.identified(userId);
      await this.#activated(keystore);
      this.#publisher.check(keystore);
    } catch (error) {
      this.#publisher.failed(error);
      this.#context.report(error);
    }
  }

  connectionLost(): void {
    this.#publisher.stop();
    this.#mailboxSender.stop();
    this.#senderKeyRequester.current?.stop();
    this.#backlog.current?.clear();
    // A server with `rev` delivers what is dropped again after the reconnect.
    if (this.#context.has('rev')) this.#pushes.clear();
  }

  pushed({ event, data }: ParsedPush, deliver: (push: ParsedPush) => void): void {
    this.#pushes.push(event, data, (name, decrypted) => deliver({ event: name, data: decrypted } as ParsedPush));
  }

  open(answer: unknown, isLive: boolean, name = '', payload?: unknown): unknown {
    if (MEMBER_REQUESTS.has(name)) {
      const pinned = this.#keystores.get().then((of) => this.#members.requested(of, name, payload, answer));
      return pinned.catch(this.#context.report).then(() => this.open(answer, isLive));
    }
    const sent = fields(payload);
    // What was sent encrypted is encrypted, whatever the response says.
    const isSealed = SEALED_REQUESTS.has(name) && sent?.['envelope'] !== undefined && fields(answer) !== undefined;
    if (isSealed) return this.open({ ...fields(answer), ...sealedRow(this.#userId, name, sent) }, isLive);
    const rows = findMessageRows(answer);
    if (rows.length === 0) return answer;
    return this.#decryptor.decryptRows(rows, isLive).then((messages) => replaceRows(answer, messages));
  }

  async draft(payload: QueuedMessage & { clientId: string }, wanted: boolean | undefined): Promise<QueuedMessage> {
    const { conversationId, clientId, files } = payload;
    refuseInvalidMetadata(payload);
    // Awaited in any case, so that the messages of a conversation keep their order.
    const required = await this.#requiredConversations.lastKnown(conversationId);
    if (wanted !== true && !required) {
      // Refused before its keys are stored in the outbox, which is not encrypted.
      refuseSealedFiles(payload);
      return payload;
    }
    // Checked again when it is sent: before the first connection it is not known whether the server stores files.
    if (this.#context.has('uploads')) refuseReadableFiles(payload, this.#filesPath);
    this.#drafts.add(clientId, { secret: pickSecret(payload), ts: this.#context.clock.now() });
    const draft = { conversationId, content: '', type: 'text', clientId, encrypted: true } as const;
    return { ...draft, ...threadOf(payload), ...(files && { files }) };
  }

  draftEdit(payload: EditMessage, clientId: string): EditMessage {
    const { secret, outer } = splitEdit(payload);
    this.#drafts.add(clientId, { secret, ts: this.#context.clock.now() });
    return outer;
  }

  secretOf(clientId: string): Secret | undefined {
    return this.#drafts.held(clientId)?.secret;
  }

  async reveal(clientId: string): Promise<Secret | undefined> {
    return (await this.#drafts.load(await this.#keystores.get(), clientId))?.secret;
  }

  keep({ clientId, lane }: Outgoing): Promise<void> {
    return this.#drafts.inLane(lane, async () => {
      // Before the user's id is known there is no keystore: the draft stays in memory, like the message itself.
      if (this.#drafts.held(clientId) === undefined || !this.#keystores.isUserKnown) return;
      await this.#drafts.persist(await this.#keystores.get(), clientId);
    });
  }

  async seal(item: Outgoing): Promise<Outgoing['operation']['payload']> {
    const { name, payload } = item.operation;
    const sealed = await this.#encryptor.encrypt(item);
    if (name === 'message:react') this.#decryptor.plaintextChanged(payload.messageId);
    return sealed;
  }

  settled({ clientId, operation }: Outgoing, isStored: boolean): void {
    if (operation.name === 'message:react' && !isStored && this.#keystores.isUserKnown)
      this.#revertReaction(operation.payload).catch(this.#context.report);
    const isDraft =
      operation.name === 'message:edit' || (operation.name === 'message:send' && operation.payload.encrypted);
    // A message that was queued before encryption was required has become a draft when it was sent.
    if (isDraft !== true && this.#drafts.held(clientId) === undefined) return;
    const remove = async (): Promise<void> => this.#drafts.remove(await this.#keystores.get(), clientId, isStored);
    if (this.#keystores.isUserKnown) remove().catch(this.#context.report);
  }

  async search(search: SearchQuery, found: Message[]): Promise<Message[]> {
    const { searchPlaintexts } = await import('./messages/search-plaintexts.ts');
    return searchPlaintexts((await this.#keystores.get()).records, search, found);
  }

  async sealedRecords(storage: CommStorage): Promise<SealedRecords> {
    return (await this.#keystores.get()).records.over(storage);
  }

  forget(): void {
    this.#userId = undefined;
    this.#keystores.forget();
    this.#forgetStored();
  }

  async #revertReaction(payload: ReactToMessage): Promise<void> {
    const { revertReaction } = await import('./messages/encrypt-change.ts');
    await revertReaction(await this.#keystores.get(), payload);
    this.#decryptor.plaintextChanged(payload.messageId);
  }

  /** Deletes the keys of a group that the user has left. */
  #left(conversationId: string, userId: string): void {
    const remove = async (): Promise<void> => {
      const keystore = await this.#keystores.get();
      if (userId !== keystore.userId) return;
      const { deleteGroupKeys } = await import('./groups/group-encryption.ts');
      await deleteGroupKeys(keystore, conversationId);
    };
    remove().catch((error: unknown) => {
      if (!isCommError(error) || error.code !== 'E2EE_LOCKED') this.#context.report(error);
    });
  }

  /** Runs what is due when the keystore has been opened. */
  async #activated(keystore: Keystore): Promise<void> {
    await this.#drafts.persistAll(keystore);
    if (await keystore.records.hasAny(RESENT_COPIES)) {
      const { deleteExpiredCopies } = await import('./messages/resent-copies.ts');
      await deleteExpiredCopies(keystore, this.#context.clock.now());
    }
    if (await keystore.records.hasAny(DISTRIBUTED_KEYS)) {
      const { deleteExpiredDistributedKeys } = await import('./groups/group-encryption.ts');
      await deleteExpiredDistributedKeys(keystore, this.#context.clock.now());
    }
    if (await keystore.records.hasAny(RECEIVING_CHAINS)) {
      const { deleteUnknownChains } = await import('./groups/unknown-chains.ts');
      // Asks the server, which answers only after the client has connected.
      deleteUnknownChains(keystore, (id) => this.#isMember(id)).catch(this.#context.report);
    }
    this.#flushMailbox(keystore);
    for (const senderId of this.#decryptor.sendersOfUndecrypted()) this.#pushes.retrySender(keystore, senderId);
  }

  /** False if the server says that the conversation doesn't exist, or not for this user. */
  async #isMember(conversationId: string): Promise<boolean> {
    try {
      await this.#conversation(conversationId);
      return true;
    } catch (error) {
      return !isCommError(error) || (error.code !== 'NOT_FOUND' && error.code !== 'FORBIDDEN');
    }
  }

  #perform(keystore: Keystore, senderId: string, effects: DecryptionEffects, retry: boolean): void {
    const { emitter, logger } = this.#context;
    const { identityChange, sessionEstablished, enqueued } = effects;
    if (identityChange !== undefined) emitter.emit('encryption:identity-changed', identityChange);
    if (sessionEstablished === true) logger.debug('Encryption session established', { senderId });
    if (enqueued === true) this.#flushMailbox(keystore);
    if (retry) this.#pushes.retrySender(keystore, senderId);
    this.callKeys.current?.look(senderId);
  }

  /** A peer has lost their sessions: encrypts queued messages to them again, and sends recent messages once more. */
  async #resend(keystore: Keystore, senderId: string): Promise<void> {
    this.callKeys.current?.resend(senderId);
    const { discardDraftEnvelopes, resendRecentMessages } = await import('./sessions/resend.ts');
    await discardDraftEnvelopes(keystore, this.#drafts, senderId);
    if (await keystore.records.hasAny(RECORDS.sendingChain(''))) {
      const { endChainsFor } = await import('./groups/group-encryption.ts');
      await endChainsFor(keystore, senderId);
    }
    if (await resendRecentMessages(keystore, senderId, this.#context.clock.now())) this.#flushMailbox(keystore);
  }

  /** A session may have diverged: resets it after repeated failures. */
  #countFailure(keystore: Keystore, envelope: EncryptedEnvelope): void {
    this.#whenActive(async () => {
      const { countFailure } = await import('./sessions/diverged-session.ts');
      const isDiverged = await countFailure(keystore, envelope, this.#context.clock.now());
      if (isDiverged) this.#resetSession(keystore, envelope.senderId, false);
    });
  }

  /** @param renewPreKeys - the published prekeys may be ones that this device doesn't have, as after a restored backup of it */
  #resetSession(keystore: Keystore, senderId: string, renewPreKeys: boolean): void {
    this.#whenActive(async () => {
      const { resetSession } = await import('./sessions/reset-session.ts');
      const isEnqueued = await resetSession(this.#sessions, keystore, senderId, this.#context.clock.now());
      if (!isEnqueued) return;
      this.#flushMailbox(keystore);
      if (renewPreKeys) await this.#publisher.depleted(keystore);
    });
  }

  #flushMailbox(keystore: Keystore): void {
    this.#whenActive(() => this.#mailboxSender.flush(keystore));
  }

  /** Runs a task if this is the active device. Any other device sends nothing, because peers would see its key as a change. */
  #whenActive(task: () => Promise<void>): void {
    this.#publisher.ready.then(task).catch((error: unknown) => {
      // A task that fails because the connection is lost runs again after the reconnect.
      if (!isCommError(error)) this.#context.report(error);
    });
  }

  #forgetStored(): void {
    this.#decryptor.clear();
    this.#members.clear();
    this.#allMembers.clear();
    this.#requiredConversations.clear();
    this.#drafts.markUnstored();
  }
}

/** The fields of a message that its sender knows better than the server. */
function sealedRow(senderId: string | undefined, name: string, payload: Fields): Fields {
  const { conversationId, envelope, clientId } = payload;
  return { encrypted: true, envelope, conversationId, senderId, ...(name === 'message:send' && { clientId }) };
}
