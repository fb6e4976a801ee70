import { isCommError } from '../../../protocol/errors.ts';
import type { Message, Reaction } from '../../../protocol/messages.ts';
import { fields } from '../../../transport/fields.ts';
import type { ClientContext } from '../../context.ts';
import type { ConversationMembers } from '../groups/conversation-members.ts';
import type { PreKeyPublisher } from '../keys/prekey-publisher.ts';
import type { KeystoreProvider } from '../keystore/keystore-provider.ts';
import { getTrust, type Keystore, putTrust, RECORDS } from '../keystore/keystore.ts';
import type { MailboxReceiver } from '../sessions/mailbox-receiver.ts';
import { findMessageRows, replaceRows } from './message-rows.ts';
import type { MessageDecryptor } from './message-decryptor.ts';
import { PushQueue } from './push-queue.ts';

/** What {@link PushDecryptor} needs of other parts. */
export interface PushDecryptorParts {
  readonly keystores: KeystoreProvider;
  readonly decryptor: MessageDecryptor;
  readonly mailbox: MailboxReceiver;
  readonly members: ConversationMembers;
  readonly publisher: PreKeyPublisher;
  /** Called with a message that could not be decrypted before and is decrypted now. */
  messageUpdated(message: Message): void;
}

/** Decrypts the server's pushes and delivers them in the order in which they arrived. */
export class PushDecryptor {
  readonly #context: ClientContext;
  readonly #parts: PushDecryptorParts;
  readonly #queue: PushQueue;

  constructor(context: ClientContext, parts: PushDecryptorParts) {
    this.#context = context;
    this.#parts = parts;
    this.#queue = new PushQueue(context.report);
  }

  /** Decrypts a push and calls `deliver`: at once if the push needs no decryption and none is queued before it. */
  push(event: string, data: unknown, deliver: (event: string, data: unknown) => void): void {
    const pass = (): void => deliver(event, data);
    const row = fields(data);
    switch (event) {
      case 'encryption:session-established':
        // Ignored, because it isn't authenticated: the peer's encrypted acknowledgement is what counts.
        return;
      case 'encryption:session-init':
        this.#parts.mailbox.expect();
        return this.#queue.run(() => this.#receiveFromMailbox(data), pass);
      case 'encryption:keys-depleted':
        return this.#queue.run(() => this.#withKeystore((keystore) => this.#parts.publisher.depleted(keystore)), pass);
      case 'encryption:keys-changed':
        return this.#queue.run(() => this.#keysChanged(row?.['userId']), pass);
      case 'message:deleted': {
        const { messageId, rev } = row ?? {};
        // Our server also sends the tombstone, with the same `rev`.
        if (typeof messageId !== 'string' || rev !== undefined) return this.#queue.run(undefined, pass);
        return this.#queue.run(
          () => this.#withKeystore((keystore) => this.#parts.decryptor.noticeDeletion(keystore, messageId)),
          (unauthenticated) => deliver(event, unauthenticated === true ? { ...row, unauthenticated } : data),
        );
      }
      case 'message:reaction-update': {
        const { messageId, reactions, envelope, ...rest } = row ?? {};
        if (typeof messageId !== 'string') return this.#queue.run(undefined, pass);
        const reported = reactions as Reaction[];
        const verify = (keystore: Keystore): Promise<Reaction[]> =>
          this.#parts.decryptor.verifyReactions(keystore, messageId, reported, envelope);
        return this.#queue.run(
          () => this.#withKeystore(verify),
          (verified = reported) => deliver(event, { messageId, reactions: verified, ...rest }),
        );
      }
      default: {
        const rows = findMessageRows(data);
        if (!this.#context.has('rev'))
          void this.#withKeystore((keystore) => this.#parts.members.recordPush(keystore, event, data));
        if (rows.length === 0) return this.#queue.run(undefined, pass);
        const decrypt = async (): Promise<unknown> =>
          replaceRows(data, await this.#parts.decryptor.decryptRows(rows, true));
        return this.#queue.run(decrypt, (decrypted) => deliver(event, decrypted));
      }
    }
  }

  /** Tries a sender's undecrypted messages again, after the pushes that are queued now. */
  retrySender(keystore: Keystore, senderId: string): void {
    this.#queue.run(
      () => this.#parts.decryptor.retry(keystore, senderId),
      (recovered) => {
        for (const message of (recovered ?? []) as Message[]) this.#parts.messageUpdated(message);
      },
    );
  }

  /** Drops the queued pushes. */
  clear(): void {
    this.#queue.clear();
    this.#parts.mailbox.clear();
  }

  async #receiveFromMailbox(data: unknown): Promise<void> {
    try {
      await this.#withKeystore((keystore) => this.#parts.mailbox.receive(keystore, data));
    } finally {
      this.#parts.mailbox.processed();
    }
  }

  /** Reports errors instead of throwing them: a push is delivered even if the keystore fails. */
  async #withKeystore<T>(task: (keystore: Keystore) => Promise<T>): Promise<T | undefined> {
    try {
      return await task(await this.#parts.keystores.get());
    } catch (error) {
      // A locked keystore was reported when it was opened.
      if (!isCommError(error) || error.code !== 'E2EE_LOCKED') this.#context.report(error);
      return undefined;
    }
  }

  #keysChanged(userId: unknown): Promise<void> {
    return this.#withKeystore(async (keystore) => {
      if (typeof userId !== 'string') return;
      if (userId === keystore.userId) return this.#parts.publisher.check(keystore);
      await keystore.records.transact([RECORDS.trust(userId)], (tx) => {
        const trust = getTrust(tx, userId);
        if (trust !== undefined) putTrust(tx, userId, { ...trust, stale: true });
      });
    });
  }
}
