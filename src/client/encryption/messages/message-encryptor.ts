import { KeyedQueue } from '../../../lib/keyed-queue.ts';
import type { EncryptedEnvelope } from '../../../protocol/encryption.ts';
import { CommError, isCommError } from '../../../protocol/errors.ts';
import { LIMITS } from '../../../protocol/limits.ts';
import type { EditMessage, Message, SendMessage } from '../../../protocol/messages.ts';
import type { ReportMessage } from '../../../protocol/moderation.ts';
import { type Outgoing, type QueuedMessage, type QueuedReport, SEALED_FILE, type Secret } from '../../cipher.ts';
import type { ClientContext } from '../../context.ts';
import { type DraftStore, getDraft, putDraft } from '../keystore/draft-store.ts';
import { encryptForPeer, getTrust, type Keystore, RECORDS } from '../keystore/keystore.ts';
import {
  attachmentsOf,
  formatSentAt,
  hashCiphertext,
  pickSecret,
  type Plaintext,
  refuseReadableFiles,
  threadOf,
} from '../keystore/plaintexts.ts';
import type { RecordTransaction } from '../keystore/record-store.ts';
import { sealedSize } from '../nkc1/attachment-segments.ts';
import { MAX_PAYLOAD_BYTES } from '../nkc1/envelope.ts';
import { type ChangePayload, encodePayload, type MessagePayload } from '../nkc1/payload.ts';
import type { ChangePorts, ChangeStep } from './encrypt-change.ts';
import type { Edit } from './encrypt-edit.ts';
import type { MailboxSender } from '../sessions/mailbox-sender.ts';
import { isSessionUsable, type SessionManager } from '../sessions/session-manager.ts';

/** What {@link MessageEncryptor} needs of other parts. */
export interface MessageEncryptorPorts {
  keystore(): Promise<Keystore>;
  /** Rejects if another device is the active one. */
  ready(): Promise<void>;
  /** Returns the sorted ids of all other members of a conversation. @throws CommError `E2EE_MEMBERS_CHANGED` */
  othersIn(keystore: Keystore, conversationId: string): Promise<readonly string[]>;
  /** Whether a conversation requires encryption. @param isExact - rejects if that can't be found out for now */
  isRequired(conversationId: string, isExact?: boolean): Promise<boolean>;
  /** Returns a message from memory or from the server. */
  findMessage(messageId: string): Promise<Message>;
}

/** What to encrypt for an item of the outbox, and what to store with its envelope. */
interface Job<T extends MessagePayload | ChangePayload> {
  readonly clientId: string;
  readonly cid: string;
  /** The records that `payload` and `store` read. */
  readonly names: readonly string[];
  payload(tx: RecordTransaction): T | undefined;
  store(tx: RecordTransaction, payload: T, envelope: EncryptedEnvelope, to?: Plaintext['to']): void;
}

type OutgoingPayload = Outgoing['operation']['payload'];

/** The readable content of an encrypted message. Some servers drop messages with empty content. */
const PLACEHOLDER = 'Encrypted message';
/** A message to more members doesn't name them, so that it stays short. */
const MAX_NAMED = 100;
/** Text of a message that a report has at most: as much as the server accepts. */
const MAX_REPORTED = LIMITS.reportedLength;
/** Another tab or an incoming envelope may replace the session between the check and the encryption. */
const MAX_ATTEMPTS = 5;

/** Encrypts messages when they are sent for the first time. The envelope is stored before it is sent, and never changes. */
export class MessageEncryptor {
  readonly #context: ClientContext;
  readonly #ports: MessageEncryptorPorts;
  readonly #drafts: DraftStore;
  readonly #sessions: SessionManager;
  readonly #mailbox: MailboxSender;
  readonly #filesPath: string;
  readonly #lanes = new KeyedQueue<string>();

  constructor(
    context: ClientContext,
    ports: MessageEncryptorPorts,
    drafts: DraftStore,
    sessions: SessionManager,
    mailbox: MailboxSender,
    filesPath: string,
  ) {
    this.#context = context;
    this.#ports = ports;
    this.#drafts = drafts;
    this.#sessions = sessions;
    this.#mailbox = mailbox;
    this.#filesPath = filesPath;
  }

  /**
   * Returns the payload to send for an item of the outbox. Items of one lane are processed in order. Idempotent: the same item
   * gets the same envelope.
   *
   * @throws CommError `E2EE_NO_KEYS`, `E2EE_IDENTITY_CHANGED`, `E2EE_MEMBERS_CHANGED`, `E2EE_OTHER_DEVICE`, `E2EE_LOCKED`,
   * `INVALID`, `MESSAGE_TOO_LONG`, `UNSUPPORTED`
   */
  encrypt(item: Outgoing): Promise<OutgoingPayload> {
    return this.#lanes.run(item.lane, () => this.#encryptItem(item));
  }

  async #encryptItem({ clientId, operation: { name, payload }, hasReadableFiles }: Outgoing): Promise<OutgoingPayload> {
    switch (name) {
      case 'message:send':
        return this.#encryptSend(clientId, payload, hasReadableFiles);
      case 'message:edit':
        return this.#encryptEdit(clientId, payload);
      case 'message:delete': {
        const { encryptDeletion } = await import('./encrypt-change.ts');
        const keystore = await this.#unlocked();
        return keystore === undefined ? payload : encryptDeletion(keystore, payload, this.#changePorts(clientId));
      }
      case 'message:react': {
        const { encryptReaction } = await import('./encrypt-change.ts');
        const keystore = await this.#unlocked();
        return keystore === undefined ? payload : encryptReaction(keystore, payload, this.#changePorts(clientId));
      }
      case 'message:report':
        return this.#addContent(payload);
      case 'message:forward': {
        await this.#refusePlaintext(payload.toConversationId);
        const { encrypted } = await this.#ports.findMessage(payload.messageId);
        if (encrypted === true) throw new CommError('INVALID', 'Encrypted messages cannot be forwarded');
        return payload;
      }
      default:
        return payload;
    }
  }

  async #encryptSend(clientId: string, payload: QueuedMessage, hasReadableFiles = false): Promise<SendMessage> {
    const { conversationId, encrypted } = payload;
    if (encrypted !== true) {
      if (!(await this.#ports.isRequired(conversationId, hasReadableFiles))) return payload;
      if (hasReadableFiles) throw plaintextRefused();
      // The requirement was set after the message was queued.
      this.#drafts.add(clientId, { secret: pickSecret(payload), ts: this.#context.clock.now() });
    }
    const outer = this.#outerFiles((await this.#drafts.load(await this.#ports.keystore(), clientId))?.secret);
    const envelope = await this.#encryptDraft(clientId, conversationId, clientId);
    const sealed = { conversationId, content: PLACEHOLDER, type: 'text', clientId, encrypted: true, envelope } as const;
    return { ...sealed, ...outer, ...threadOf(payload) };
  }

  /**
   * Names the files for the server, which lets only members read those to which a message refers. It sees their sizes.
   *
   * @throws CommError `INVALID` as {@link refuseReadableFiles}
   */
  #outerFiles(secret: Partial<Secret> = {}): Pick<SendMessage, 'attachments'> {
    if (!this.#context.has('uploads')) return {};
    refuseReadableFiles(secret, this.#filesPath);
    const attachments = attachmentsOf(secret).flatMap(({ url, keys, thumbnailUrl, thumbnailKeys }) =>
      keys === undefined
        ? []
        : { url, ...SEALED_FILE, fileSize: sealedSize(keys.size), ...(thumbnailKeys && { thumbnailUrl }) },
    );
    return attachments.length === 0 ? {} : { attachments };
  }

  async #encryptEdit(clientId: string, payload: EditMessage): Promise<EditMessage> {
    const keystore = await this.#ports.keystore();
    const draft = await this.#drafts.load(keystore, clientId);
    if (draft?.envelope !== undefined) return { ...payload, content: PLACEHOLDER, envelope: draft.envelope };
    const { content, mentions, metadata } = draft?.secret ?? payload;
    const { encryptEdit } = await import('./encrypt-edit.ts');
    const envelope = await encryptEdit(
      keystore,
      payload,
      { content, ...(mentions && { mentions }), ...(metadata && { metadata }) },
      {
        findMessage: (id) => this.#ports.findMessage(id),
        refusePlaintext: (id) => this.#refusePlaintext(id),
        canEditEncrypted: () => this.#context.has('mailbox'),
        now: () => this.#context.clock.now(),
        encrypt: (messageClientId, secret, edit) =>
          this.#encryptDraft(clientId, payload.conversationId, messageClientId, secret, edit),
      },
    );
    if (envelope === undefined)
      return { ...payload, content, ...(mentions && { mentions }), ...(metadata && { metadata }) };
    const { metadata: _metadata, ...rest } = payload;
    return { ...rest, content: PLACEHOLDER, envelope };
  }

  /** Adds the text of an encrypted message to a report, if the user has asked for it. */
  async #addContent({ includeContent = false, ...report }: QueuedReport): Promise<ReportMessage> {
    if (!includeContent) return report;
    const { content, encrypted } = await this.#ports.findMessage(report.messageId);
    return encrypted === true && content !== '' ? { ...report, content: content.slice(0, MAX_REPORTED) } : report;
  }

  /**
   * Returns `undefined` if the keys are locked: nothing can be encrypted then, and deletions and reactions are sent without an
   * envelope.
   */
  #unlocked(): Promise<Keystore | undefined> {
    return this.#ports.keystore().catch((error: unknown) => {
      if (isCommError(error) && error.code === 'E2EE_LOCKED') return undefined;
      throw error;
    });
  }

  #changePorts(clientId: string): ChangePorts {
    return {
      findMessage: (id) => this.#ports.findMessage(id),
      canEncryptChanges: () => this.#context.has('mailbox'),
      now: () => this.#context.clock.now(),
      encrypt: (step) => this.#encryptChange(clientId, step),
    };
  }

  async #encryptChange(clientId: string, step: ChangeStep): Promise<EncryptedEnvelope | undefined> {
    const keystore = await this.#ports.keystore();
    await this.#ports.ready();
    const draft = await this.#drafts.load(keystore, clientId);
    if (draft?.envelope !== undefined) return this.#afterMailbox(keystore, draft.envelope);
    const ts = this.#context.clock.now();
    const to = await this.#ports.othersIn(keystore, step.cid);
    const envelope = await this.#encrypt(keystore, to, {
      ...step,
      clientId,
      store: (tx, payload, sealed) => {
        step.store(tx, payload);
        putDraft(tx, clientId, { secret: { content: '', type: 'text' }, ts, envelope: sealed });
      },
    });
    // Kept in memory too, so that it is removed when the request has ended.
    await this.#drafts.load(keystore, clientId);
    return envelope;
  }

  /** @throws CommError `INVALID` if the conversation requires encryption */
  async #refusePlaintext(conversationId: string): Promise<void> {
    if (await this.#ports.isRequired(conversationId)) throw plaintextRefused();
  }

  /**
   * @param clientId - client id of the request, which names the draft
   * @param messageClientId - client id of the message; for an edit it differs from the request's
   * @param secret - replaces the secret of the draft
   */
  async #encryptDraft(
    clientId: string,
    cid: string,
    messageClientId: string,
    secret?: Secret,
    edit?: Edit,
  ): Promise<EncryptedEnvelope> {
    const keystore = await this.#ports.keystore();
    await this.#ports.ready();
    const draft = await this.#drafts.load(keystore, clientId);
    if (draft === undefined) throw new CommError('STORAGE', 'The content of this message is no longer stored');
    if (draft.envelope !== undefined) return this.#afterMailbox(keystore, draft.envelope);
    const to = await this.#ports.othersIn(keystore, cid);
    const payload: MessagePayload = {
      ...(secret ?? draft.secret),
      kind: edit === undefined ? 'message' : 'edit',
      edits: edit?.edits,
      n: edit?.n,
      id: messageClientId,
      cid,
      ts: draft.ts,
      ...(to.length <= MAX_NAMED && { to }),
    };
    if (encodePayload(payload).length > MAX_PAYLOAD_BYTES) {
      throw new CommError('MESSAGE_TOO_LONG', 'The message is too long to be encrypted');
    }
    return this.#encrypt(keystore, to, {
      clientId,
      cid,
      names: [],
      payload: () => payload,
      store: (tx, _payload, envelope, recipient) =>
        storeEnvelope(tx, keystore, clientId, payload, envelope, edit, recipient),
    });
  }

  async #encrypt<T extends MessagePayload | ChangePayload>(
    keystore: Keystore,
    to: readonly string[],
    job: Job<T>,
  ): Promise<EncryptedEnvelope> {
    const [peerId] = to;
    for (let left = MAX_ATTEMPTS; left > 0; left -= 1) {
      const envelope =
        to.length === 1 && peerId !== undefined
          ? await this.#encryptForPeer(keystore, peerId, job)
          : await this.#encryptForGroup(keystore, to, job);
      if (envelope !== undefined) return this.#afterMailbox(keystore, envelope);
    }
    throw new CommError('UNAVAILABLE', 'The session was replaced repeatedly while the message was encrypted');
  }

  /** Sends the mailbox first: the sender key of a group message must arrive before the message. */
  async #afterMailbox(keystore: Keystore, envelope: EncryptedEnvelope): Promise<EncryptedEnvelope> {
    await this.#mailbox.flush(keystore);
    return envelope;
  }

  async #encryptForPeer<T extends MessagePayload | ChangePayload>(
    keystore: Keystore,
    peerId: string,
    job: Job<T>,
  ): Promise<EncryptedEnvelope | undefined> {
    await this.#sessions.ensure(keystore, peerId);
    const { clientId } = job;
    const names = [RECORDS.identity, RECORDS.draft(clientId), RECORDS.session(peerId), RECORDS.trust(peerId)];
    return keystore.records.transact([...names, ...job.names], (tx) => {
      const draft = getDraft(tx, clientId);
      if (draft?.envelope !== undefined) return draft.envelope;
      if (!isSessionUsable(tx, peerId, this.#context.clock.now())) return undefined;
      const payload = job.payload(tx);
      const step = payload && encryptForPeer(tx, keystore, peerId, payload);
      if (payload === undefined || step?.ok !== true) return undefined;
      job.store(tx, payload, step.envelope, { userId: peerId, key: getTrust(tx, peerId)?.key ?? '' });
      return step.envelope;
    });
  }

  async #encryptForGroup<T extends MessagePayload | ChangePayload>(
    keystore: Keystore,
    members: readonly string[],
    job: Job<T>,
  ): Promise<EncryptedEnvelope | undefined> {
    const { encryptForGroup } = await import('../groups/group-encryption.ts');
    const { clientId, cid } = job;
    const reachable = await this.#reachableMembers(keystore, members);
    const names = [RECORDS.identity, RECORDS.draft(clientId), RECORDS.sendingChain(cid), ...job.names];
    for (const userId of reachable) names.push(RECORDS.session(userId), RECORDS.trust(userId));
    return keystore.records.transact(names, (tx) => {
      const draft = getDraft(tx, clientId);
      if (draft?.envelope !== undefined) return draft.envelope;
      const now = this.#context.clock.now();
      if (!reachable.every((userId) => isSessionUsable(tx, userId, now))) return undefined;
      const payload = job.payload(tx);
      const envelope = payload && encryptForGroup(tx, keystore, reachable, payload, now);
      if (payload === undefined || envelope === undefined) return undefined;
      job.store(tx, payload, envelope);
      return envelope;
    });
  }

  /** The members with a session. A member without published keys is left out; if all have none, it throws. */
  async #reachableMembers(keystore: Keystore, members: readonly string[]): Promise<string[]> {
    const reachable: string[] = [];
    let noKeys: CommError | undefined;
    for (const userId of members) {
      try {
        await this.#sessions.ensure(keystore, userId);
        reachable.push(userId);
      } catch (error) {
        if (!(error instanceof CommError) || error.code !== 'E2EE_NO_KEYS') throw error;
        noKeys = error;
      }
    }
    if (reachable.length === 0 && noKeys !== undefined) throw noKeys;
    return reachable;
  }
}

function plaintextRefused(): CommError {
  return new CommError('INVALID', 'The conversation requires encryption, and this message is not encrypted');
}

function storeEnvelope(
  tx: RecordTransaction,
  { userId }: Keystore,
  clientId: string,
  payload: MessagePayload,
  envelope: EncryptedEnvelope,
  edit: Edit | undefined,
  to: Plaintext['to'],
): void {
  const { cid, id } = payload;
  const hash = hashCiphertext(envelope.ciphertext);
  const sentAt = edit === undefined ? formatSentAt(payload.ts) : edit.sentAt;
  // The payload was made from a `Secret` on this device; its type also describes payloads of others, whose fields are not checked.
  const secret = pickSecret(payload as unknown as Secret);
  putDraft(tx, clientId, { secret, ts: payload.ts, envelope });
  tx.putJson(RECORDS.sealed(userId, id), true);
  const plaintext: Plaintext = { ...secret, hash, cid, senderId: userId, clientId: id, n: edit?.n, sentAt, to };
  tx.putJson(RECORDS.ownPlaintext(hash), plaintext);
}
