import { abortable, type AbortOptions } from '../../lib/abort.ts';
import { fromBase64, toBase64 } from '../../lib/base64.ts';
import { CommError } from '../../protocol/errors.ts';
import { requireId, type ClientContext } from '../context.ts';
import { keepPin, NAMES, peerIn, pinIn, type Account } from './account.ts';
import type { Accounts } from './accounts.ts';
import type { AttachmentKeys, EncryptedAttachment, Encryption, ExportOptions } from './encryption.ts';
import { identityKeyText, readIdentityKey } from './identity.ts';
import { encodePeer, keepIdentity } from './peer-sessions.ts';
import { secureRandom } from './primitives.ts';
import type { Publisher } from './publisher.ts';
import type { Requirements } from './requirements.ts';
import type { Party } from './safety-number.ts';
import { identityChanged, type Sessions } from './sessions.ts';
import { meet, shownKey, trustIn, type Pin, type TrustState } from './trust.ts';

// What few apps need in each session is loaded when it is called.
const attachments = () => import('./attachments.ts');
const backups = () => import('./backups.ts');
const comparing = () => import('./safety-number.ts');

/** What the app's calls are about. */
export interface EncryptionParts {
  readonly context: ClientContext;
  readonly policy: 'warn' | 'block';
  readonly accounts: Accounts;
  readonly sessions: Sessions;
  readonly publisher: Publisher;
  readonly requirements: Requirements;
  /** Reads again what that user has sent and could not be read. */
  heal(account: Account, senderId: string): void;
  /** Whatever is at hand is gone from the storage. */
  forget(): void;
  /** There are keys again. */
  started(account: Account): Promise<void>;
}

/** The app's side of encryption. */
export class EncryptionClient implements Encryption {
  readonly #parts: EncryptionParts;

  constructor(parts: EncryptionParts) {
    this.#parts = parts;
  }

  get ready(): Promise<void> {
    return this.#parts.publisher.ready;
  }

  identityKey({ signal }: AbortOptions = {}): Promise<string> {
    return this.#run(signal, (account) =>
      account.records.transact([NAMES.identity], (view) => identityKeyText(account.identity(view))),
    );
  }

  safetyNumber(userId: string, { signal }: AbortOptions = {}): Promise<string> {
    return this.#run(signal, async (account) => {
      const { local, remote } = await this.#parties(account, userId);
      return (await comparing()).safetyNumber(local, remote);
    });
  }

  qr(userId: string, { signal }: AbortOptions = {}): Promise<string> {
    return this.#run(signal, async (account) => {
      const { local, remote } = await this.#parties(account, userId);
      return (await comparing()).qrPayload(local, remote);
    });
  }

  verifyQr(userId: string, scanned: string, { signal }: AbortOptions = {}): Promise<boolean> {
    if (typeof scanned !== 'string') throw new TypeError('scanned must be a string');
    return this.#run(signal, async (account) => {
      const { local, remote } = await this.#parties(account, userId);
      if (!(await comparing()).matchesQr(scanned, local, remote)) return false;
      await this.#verify(account, userId);
      return true;
    });
  }

  verify(userId: string, { signal }: AbortOptions = {}): Promise<void> {
    return this.#run(signal, async (account) => {
      requireId('userId', userId);
      await this.#pinned(account, userId);
      await this.#verify(account, userId);
    });
  }

  acceptIdentity(userId: string, identityKey: string, { signal }: AbortOptions = {}): Promise<void> {
    return this.#run(signal, async (account) => {
      requireId('userId', userId);
      const key = typeof identityKey === 'string' ? readIdentityKey(identityKey) : undefined;
      if (key === undefined) throw new TypeError('identityKey must be an identity key in base64');
      const names = [NAMES.pin(userId), NAMES.peer(userId)];
      await account.records.transact(names, (view) => {
        const pin = pinIn(view, userId);
        if (pin?.key === identityKey && pin.changedTo === undefined) return;
        if (pin?.changedTo !== identityKey) throw new CommError('CONFLICT', 'They show another key than this one');
        keepPin(view, userId, { key: identityKey, verified: false, resetAt: pin.resetAt });
        view.put(NAMES.peer(userId), encodePeer(keepIdentity(peerIn(view, userId), key)));
      });
      this.#parts.heal(account, userId);
    });
  }

  trust(userId: string, { signal }: AbortOptions = {}): Promise<TrustState> {
    return this.#run(signal, (account) => {
      requireId('userId', userId);
      return account.records.transact([NAMES.pin(userId)], (view) => trustIn(pinIn(view, userId)));
    });
  }

  async require(conversationId: string, required: boolean, { signal }: AbortOptions = {}): Promise<void> {
    requireId('conversationId', conversationId);
    if (typeof required !== 'boolean') throw new TypeError('required must be a boolean');
    await abortable(this.#parts.requirements.set(conversationId, required), signal);
  }

  async isRequired(conversationId: string, { signal }: AbortOptions = {}): Promise<boolean> {
    requireId('conversationId', conversationId);
    return abortable(this.#parts.requirements.has(conversationId), signal);
  }

  export(passphrase: string, { history = false, signal }: ExportOptions = {}): Promise<Uint8Array> {
    return this.#run(signal, async (account) => (await backups()).exportBackup(account, passphrase, history));
  }

  import(bytes: Uint8Array, passphrase: string, { signal }: AbortOptions = {}): Promise<void> {
    return this.#run(signal, async (account) => {
      await (await backups()).importBackup(account, bytes, passphrase);
      await this.#begin(account);
    });
  }

  takeOver({ signal }: AbortOptions = {}): Promise<void> {
    return this.#run(signal, (account) => this.#begin(account));
  }

  async reset({ signal }: AbortOptions = {}): Promise<void> {
    const reset = async (): Promise<void> => {
      await this.#parts.accounts.erase();
      this.#parts.forget();
      await this.#begin(await this.#parts.accounts.get());
    };
    await abortable(reset(), signal);
  }

  async encryptAttachment(file: Blob, { signal }: AbortOptions = {}): Promise<EncryptedAttachment> {
    if (!(file instanceof Blob)) throw new TypeError('file must be a Blob');
    const { encryptAttachment } = await attachments();
    const { ciphertext, secret } = await abortable(encryptAttachment(file, secureRandom), signal);
    const { key, prefix, size, sha256 } = secret;
    return {
      ciphertext,
      secret: { key: toBase64(key), prefix: toBase64(prefix), size, sha256: toBase64(sha256) },
    };
  }

  async decryptAttachment(ciphertext: Blob, keys: AttachmentKeys, { signal }: AbortOptions = {}): Promise<Blob> {
    if (!(ciphertext instanceof Blob)) throw new TypeError('ciphertext must be a Blob');
    const key = fromBase64(keys.key);
    const prefix = fromBase64(keys.prefix);
    const sha256 = fromBase64(keys.sha256);
    const { size } = keys;
    const { decryptAttachment } = await attachments();
    const file =
      key?.length !== 32 || prefix?.length !== 7 || sha256?.length !== 32 || !Number.isSafeInteger(size)
        ? undefined
        : await abortable(decryptAttachment(ciphertext, { key, prefix, size, sha256 }), signal);
    if (file === undefined) throw new CommError('E2EE_DECRYPTION_FAILED', 'This is not the file that was encrypted');
    return file;
  }

  async #run<T>(signal: AbortSignal | undefined, task: (account: Account) => Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    return abortable(this.#parts.accounts.get().then(task), signal);
  }

  /** From here on this is the user's active device. */
  async #begin(account: Account): Promise<void> {
    const parts = this.#parts;
    await parts.context.whenConnected(undefined);
    await parts.publisher.takeOver(account);
    await parts.started(account);
  }

  async #parties(account: Account, userId: string): Promise<{ local: Party; remote: Party }> {
    requireId('userId', userId);
    const pin = await this.#pinned(account, userId);
    const identityKey = await account.records.transact([NAMES.identity], (view) => account.identity(view).publicKey);
    return { local: { userId: account.userId, identityKey }, remote: { userId, identityKey: shownKey(pin) } };
  }

  /** Pins their key where none is known, without a session. */
  async #pinned(account: Account, userId: string): Promise<Pin> {
    const known = await account.records.transact([NAMES.pin(userId)], (view) => pinIn(view, userId));
    if (known !== undefined) return known;
    const { identityKey } = await this.#parts.sessions.fetch(userId);
    return account.records.transact([NAMES.pin(userId)], (view) => {
      const { pin } = meet(userId, pinIn(view, userId), identityKey, this.#parts.policy);
      keepPin(view, userId, pin);
      return pin;
    });
  }

  #verify(account: Account, userId: string): Promise<void> {
    return account.records.transact([NAMES.pin(userId)], (view) => {
      const pin = pinIn(view, userId);
      if (pin === undefined || pin.changedTo !== undefined) throw identityChanged(userId);
      keepPin(view, userId, { ...pin, verified: true });
    });
  }
}
