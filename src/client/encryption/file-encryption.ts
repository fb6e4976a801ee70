import { fromBase64, toBase64 } from '../../lib/base64.ts';
import { CommError } from '../../protocol/errors.ts';
import type { AttachmentKeys, MessageAttachment } from '../../protocol/messages.ts';
import type { ChangeFiles, FileCipher, FileOpener } from '../cipher.ts';
import { type Draft, type DraftStore, getDraft, putDraft } from './keystore/draft-store.ts';
import type { KeystoreProvider } from './keystore/keystore-provider.ts';
import { RECORDS } from './keystore/keystore.ts';
import { attachmentsOf } from './keystore/plaintexts.ts';
import type { RequiredConversations } from './keystore/required-conversations.ts';
import {
  AttachmentDecryptor,
  decryptAttachment,
  encryptAttachment,
  type AttachmentSecret,
} from './nkc1/attachment-cipher.ts';
import { sealedSize } from './nkc1/attachment-segments.ts';
import type { Random } from './nkc1/primitives.ts';

/** Encrypts and decrypts files. Keys are padded base64. */
export class FileEncryption implements FileCipher {
  readonly #random: Random;
  readonly #keystores: KeystoreProvider;
  readonly #drafts: DraftStore;
  readonly #requiredConversations: RequiredConversations;

  constructor(
    random: Random,
    keystores: KeystoreProvider,
    drafts: DraftStore,
    requiredConversations: RequiredConversations,
  ) {
    this.#random = random;
    this.#keystores = keystores;
    this.#drafts = drafts;
    this.#requiredConversations = requiredConversations;
  }

  async seal(file: Blob, signal: AbortSignal | undefined): Promise<{ sealed: Blob; keys: AttachmentKeys }> {
    const { ciphertext, secret } = await encryptAttachment(file, this.#random, { signal });
    const { key, prefix, size, sha256 } = secret;
    const keys = { key: toBase64(key), prefix: toBase64(prefix), size, sha256: toBase64(sha256) };
    return { sealed: ciphertext, keys };
  }

  async open(keys: AttachmentKeys): Promise<FileOpener> {
    const decryptor = await AttachmentDecryptor.create(secretOf(keys));
    const parts: Blob[] = [];
    let last: Promise<void> = Promise.resolve();
    const push = async (sealed: Blob): Promise<void> => {
      parts.push(new Blob(await decryptor.push(new Uint8Array(await sealed.arrayBuffer()))));
    };
    return {
      // One after the other, also if the caller has given up the wait for an earlier one.
      write: async (sealed) => (last = last.then(() => push(sealed))),
      end: async () => {
        await last;
        decryptor.end();
        return new Blob(parts);
      },
    };
  }

  async decrypt(sealed: Blob, keys: AttachmentKeys): Promise<Blob> {
    return await decryptAttachment(sealed, secretOf(keys));
  }

  isSealed({ size }: Blob, keys: AttachmentKeys): boolean {
    return size === sealedSize(keys.size);
  }

  isRequired(conversationId: string, isAsked: boolean): Promise<boolean> {
    const required = this.#requiredConversations;
    return isAsked ? required.isRequired(conversationId, true) : required.isKnownRequired(conversationId);
  }

  async attachmentsOf(clientId: string): Promise<readonly MessageAttachment[]> {
    const draft = await this.#drafts.load(await this.#keystores.get(), clientId);
    if (draft === undefined) throw new CommError('STORAGE', 'The content of this message is no longer stored');
    return attachmentsOf(draft.secret);
  }

  async attach(clientId: string, change: ChangeFiles): Promise<void> {
    const changed = (draft: Draft | undefined): Draft | undefined => {
      const attachments = draft && change(attachmentsOf(draft.secret));
      if (draft === undefined || attachments === undefined) return undefined;
      return { ts: draft.ts, secret: { ...draft.secret, attachment: attachments[0], attachments: [...attachments] } };
    };
    const name = RECORDS.draft(clientId);
    const store = async (): Promise<Draft | undefined> => {
      const { records } = await this.#keystores.get();
      return records.transact([name], (tx) => {
        const next = changed(getDraft(tx, clientId) ?? this.#drafts.held(clientId));
        if (next !== undefined) putDraft(tx, clientId, next);
        return next;
      });
    };
    const next = this.#keystores.isUserKnown ? await store() : changed(this.#drafts.held(clientId));
    if (next !== undefined) this.#drafts.replace(clientId, next);
  }
}

function secretOf({ key, prefix, size, sha256 }: AttachmentKeys): AttachmentSecret {
  const [keyBytes, prefixBytes, digest] = [fromBase64(key), fromBase64(prefix), fromBase64(sha256)];
  if (keyBytes === undefined || prefixBytes === undefined || digest === undefined) {
    throw new CommError('E2EE_DECRYPTION_FAILED', 'The keys of the file are malformed');
  }
  return { key: keyBytes, prefix: prefixBytes, size, sha256: digest };
}
