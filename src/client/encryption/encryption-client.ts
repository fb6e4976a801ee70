import { abortable, type AbortOptions } from '../../lib/abort.ts';
import { toBase64 } from '../../lib/base64.ts';
import type { Lazy } from '../../lib/lazy.ts';
import { CommError } from '../../protocol/errors.ts';
import type { AttachmentKeys, Message } from '../../protocol/messages.ts';
import type { ClientContext } from '../context.ts';
import { requireId } from '../validation.ts';
import type { EncryptedAttachment, Encryption, ExportOptions } from './encryption.ts';
import type { FileEncryption } from './file-encryption.ts';
import { fetchBundle } from './keys/fetch-bundle.ts';
import type { ConversationMembers } from './groups/conversation-members.ts';
import type { PreKeyPublisher } from './keys/prekey-publisher.ts';
import type { KeystoreProvider } from './keystore/keystore-provider.ts';
import { getSessionRecord, getTrust, type Keystore, putTrust, RECORDS } from './keystore/keystore.ts';
import type { RequiredConversations } from './keystore/required-conversations.ts';
import { formatIdentityKey, parseIdentityKey } from './nkc1/identity-key.ts';
import {
  acknowledgeChange,
  evaluateIdentityKey,
  type IdentityTrust,
  openChange,
  type OpenIdentityChange,
  pinnedIdentityKey,
  rejectChange,
  trustState,
  type TrustState,
} from './nkc1/identity-trust.ts';
import type { SafetyNumber } from './nkc1/safety-number.ts';
import { encodeSessionRecord, retainIdentity } from './nkc1/session-record.ts';

// Loaded on demand: most apps don't use it in every session.
const backup = () => import('./backup/backup.ts');

/** What {@link EncryptionClient} needs of other parts. */
export interface EncryptionParts {
  readonly context: ClientContext;
  readonly policy: 'warn' | 'block';
  readonly keystores: KeystoreProvider;
  readonly publisher: PreKeyPublisher;
  readonly files: Lazy<FileEncryption>;
  readonly requiredConversations: RequiredConversations;
  readonly members: ConversationMembers;
  /** Tries a sender's undecrypted messages again. */
  retrySender(keystore: Keystore, senderId: string): void;
  /** Called when the keystore was erased. */
  erased(): void;
  /** Called when the keys are published. */
  activated(keystore: Keystore): Promise<void>;
}

/** Implements the public API of encryption. */
export class EncryptionClient implements Encryption {
  readonly #parts: EncryptionParts;

  constructor(parts: EncryptionParts) {
    this.#parts = parts;
  }

  get ready(): Promise<void> {
    return this.#parts.publisher.ready;
  }

  identityKey({ signal }: AbortOptions = {}): Promise<string> {
    return this.#run(signal, (keystore) =>
      keystore.records.transact([RECORDS.identity], (tx) => formatIdentityKey(keystore.identity(tx))),
    );
  }

  safetyNumber(userId: string, { signal }: AbortOptions = {}): Promise<string> {
    return this.#run(signal, async (keystore) => (await this.#safetyNumber(keystore, userId)).safetyNumber.digits);
  }

  qr(userId: string, { signal }: AbortOptions = {}): Promise<string> {
    return this.#run(signal, async (keystore) => (await this.#safetyNumber(keystore, userId)).safetyNumber.qrPayload);
  }

  verifyQr(userId: string, scanned: string, { signal }: AbortOptions = {}): Promise<boolean> {
    if (typeof scanned !== 'string') throw new TypeError('scanned must be a string');
    return this.#run(signal, async (keystore) => {
      const { safetyNumber, remoteKey } = await this.#safetyNumber(keystore, userId);
      if (!safetyNumber.matchesQr(scanned)) return false;
      await this.#markVerified(keystore, userId, remoteKey);
      return true;
    });
  }

  async verify(userId: string, compared: string, { signal }: AbortOptions = {}): Promise<void> {
    const digits = typeof compared === 'string' ? compared.replaceAll(/\s/g, '') : '';
    if (!/^\d{60}$/.test(digits))
      throw new TypeError('safetyNumber must be the 60 digits that both users have compared');
    await this.#run(signal, async (keystore) => {
      const { safetyNumber, remoteKey } = await this.#safetyNumber(keystore, userId);
      if (safetyNumber.digits !== digits) throw notComparedError(userId);
      await this.#markVerified(keystore, userId, remoteKey);
    });
  }

  acceptIdentity(userId: string, identityKey: string, { signal }: AbortOptions = {}): Promise<void> {
    return this.#run(signal, async (keystore) => {
      requireId('userId', userId);
      const key = typeof identityKey === 'string' ? parseIdentityKey(identityKey) : undefined;
      if (key === undefined) throw new TypeError('identityKey must be a valid Ed25519 public key in base64');
      const names = [RECORDS.trust(userId), RECORDS.session(userId)];
      await keystore.records.transact(names, (tx) => {
        const trust = getTrust(tx, userId);
        if (trust?.key === identityKey && trust.changedTo === undefined) {
          return putTrust(tx, userId, acknowledgeChange(trust));
        }
        if (trust?.changedTo !== identityKey) {
          throw new CommError('CONFLICT', 'identityKey is not the key that the user presented last');
        }
        putTrust(tx, userId, { key: identityKey, verified: false, resetAt: trust.resetAt });
        tx.put(RECORDS.session(userId), encodeSessionRecord(retainIdentity(getSessionRecord(tx, userId), key)));
      });
      this.#parts.retrySender(keystore, userId);
    });
  }

  rejectIdentity(userId: string, { signal }: AbortOptions = {}): Promise<void> {
    return this.#run(signal, async (keystore) => {
      requireId('userId', userId);
      await keystore.records.transact([RECORDS.trust(userId)], (tx) => {
        const trust = getTrust(tx, userId);
        if (trust?.changedTo !== undefined) putTrust(tx, userId, rejectChange(trust));
      });
    });
  }

  identityChange(userId: string, { signal }: AbortOptions = {}): Promise<OpenIdentityChange | undefined> {
    return this.#run(signal, (keystore) => {
      requireId('userId', userId);
      return keystore.records.transact([RECORDS.trust(userId)], (tx) => openChange(userId, getTrust(tx, userId)));
    });
  }

  acceptMembers(conversationId: string, { signal }: AbortOptions = {}): Promise<void> {
    return this.#run(signal, (keystore) => {
      requireId('conversationId', conversationId);
      return this.#parts.members.accept(keystore, conversationId);
    });
  }

  keptMessage(messageId: string, { signal }: AbortOptions = {}): Promise<Message | undefined> {
    return this.#run(signal, async (keystore) => {
      requireId('messageId', messageId);
      const { findKeptMessage } = await import('./messages/search-plaintexts.ts');
      return findKeptMessage(keystore.records, messageId);
    });
  }

  trust(userId: string, { signal }: AbortOptions = {}): Promise<TrustState> {
    return this.#run(signal, (keystore) => {
      requireId('userId', userId);
      return keystore.records.transact([RECORDS.trust(userId)], (tx) => trustState(getTrust(tx, userId)));
    });
  }

  async setRequired(conversationId: string, required: boolean, { signal }: AbortOptions = {}): Promise<void> {
    requireId('conversationId', conversationId);
    if (typeof required !== 'boolean') throw new TypeError('required must be a boolean');
    await abortable(this.#parts.requiredConversations.set(conversationId, required), signal);
  }

  async isRequired(conversationId: string, { signal }: AbortOptions = {}): Promise<boolean> {
    requireId('conversationId', conversationId);
    return abortable(this.#parts.requiredConversations.isRequired(conversationId), signal);
  }

  exportBackup(passphrase: string, { history = false, signal }: ExportOptions = {}): Promise<Uint8Array> {
    return this.#run(signal, async (keystore) => {
      const required = await this.#parts.requiredConversations.list();
      return (await backup()).exportBackup(keystore, passphrase, { history, required });
    });
  }

  importBackup(bytes: Uint8Array, passphrase: string, { signal }: AbortOptions = {}): Promise<void> {
    return this.#run(signal, async (keystore) => {
      const { requiredConversations, context } = this.#parts;
      const required = await (await backup()).importBackup(keystore, bytes, passphrase, context.clock.now());
      for (const conversationId of required) await requiredConversations.set(conversationId, true);
      await this.#activate(keystore);
    });
  }

  takeOver({ signal }: AbortOptions = {}): Promise<void> {
    return this.#run(signal, (keystore) => this.#activate(keystore));
  }

  async reset({ signal }: AbortOptions = {}): Promise<void> {
    const reset = async (): Promise<void> => {
      await this.#parts.keystores.erase();
      this.#parts.erased();
      await this.#activate(await this.#parts.keystores.get());
    };
    await abortable(reset(), signal);
  }

  async encryptAttachment(file: Blob, { signal }: AbortOptions = {}): Promise<EncryptedAttachment> {
    if (!(file instanceof Blob)) throw new TypeError('file must be a Blob');
    const files = await this.#parts.files();
    const { sealed, keys } = await abortable(files.seal(file, signal), signal);
    return { ciphertext: sealed, secret: keys };
  }

  async decryptAttachment(ciphertext: Blob, keys: AttachmentKeys, { signal }: AbortOptions = {}): Promise<Blob> {
    if (!(ciphertext instanceof Blob)) throw new TypeError('ciphertext must be a Blob');
    const files = await this.#parts.files();
    return await abortable(files.decrypt(ciphertext, keys), signal);
  }

  async #run<T>(signal: AbortSignal | undefined, task: (keystore: Keystore) => Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    return abortable(this.#parts.keystores.get().then(task), signal);
  }

  /** Publishes the keys, which makes this the user's active device. */
  async #activate(keystore: Keystore): Promise<void> {
    const parts = this.#parts;
    await parts.context.whenConnected(undefined);
    await parts.publisher.takeOver(keystore);
    await parts.activated(keystore);
  }

  async #safetyNumber(keystore: Keystore, userId: string): Promise<{ safetyNumber: SafetyNumber; remoteKey: string }> {
    requireId('userId', userId);
    const remoteKey = pinnedIdentityKey(await this.#ensureTrust(keystore, userId));
    const localKey = await keystore.records.transact([RECORDS.identity], (tx) => keystore.identity(tx).publicKey);
    const module = await import('./nkc1/safety-number.ts');
    const local = { userId: keystore.userId, identityKey: localKey };
    const safetyNumber = new module.SafetyNumber(local, { userId, identityKey: remoteKey });
    return { safetyNumber, remoteKey: toBase64(remoteKey) };
  }

  /** Returns the trust in a user. Fetches and pins their key if none is known. */
  async #ensureTrust(keystore: Keystore, userId: string): Promise<IdentityTrust> {
    const known = await keystore.records.transact([RECORDS.trust(userId)], (tx) => getTrust(tx, userId));
    if (known !== undefined) return known;
    const { identityKey } = await fetchBundle(this.#parts.context, userId);
    const now = this.#parts.context.clock.now();
    return keystore.records.transact([RECORDS.trust(userId)], (tx) => {
      const { trust } = evaluateIdentityKey(userId, getTrust(tx, userId), identityKey, this.#parts.policy, now);
      putTrust(tx, userId, trust);
      return trust;
    });
  }

  /** Marks the pinned key as verified if it is the compared one. Another key that was presented since is rejected. */
  async #markVerified(keystore: Keystore, userId: string, comparedKey: string): Promise<void> {
    await keystore.records.transact([RECORDS.trust(userId)], (tx) => {
      const trust = getTrust(tx, userId);
      if (trust?.key !== comparedKey) throw notComparedError(userId);
      putTrust(tx, userId, { ...acknowledgeChange(rejectChange(trust)), verified: true });
    });
  }
}

function notComparedError(userId: string): CommError {
  return new CommError('E2EE_IDENTITY_CHANGED', `The pinned key of ${userId} is not the one that was compared`, {
    fix: 'Compare safetyNumber() with them again. If their key has changed, call acceptIdentity() first.',
  });
}
