import type { EncryptedEnvelope } from '../../../protocol/encryption.ts';
import { CommError } from '../../../protocol/errors.ts';
import type { EditMessage, Message } from '../../../protocol/messages.ts';
import type { Secret } from '../../cipher.ts';
import { type Keystore, RECORDS } from '../keystore/keystore.ts';
import { parsePlaintext, pickSecret } from '../keystore/plaintexts.ts';

/** What the payload of an edit contains besides the message. */
export interface Edit {
  /** The message id. */
  readonly edits: string;
  readonly n: number;
  /** When the original was written. */
  readonly sentAt: string | undefined;
}

/** What {@link encryptEdit} needs of the encryptor. */
export interface EditPorts {
  findMessage(messageId: string): Promise<Message>;
  /** Throws if the conversation requires encryption. */
  refusePlaintext(conversationId: string): Promise<void>;
  /** True if the server stores envelopes of edits. */
  canEditEncrypted(): boolean;
  /** @param messageClientId - client id of the edited message, which differs from that of the edit request */
  encrypt(messageClientId: string, secret: Secret, edit: Edit): Promise<EncryptedEnvelope>;
  now(): number;
}

/**
 * Encrypts an edit if the edited message is encrypted. Returns its envelope, or `undefined` for a readable message.
 *
 * @throws CommError `UNSUPPORTED` if the server can't store the envelope
 */
export async function encryptEdit(
  { records }: Keystore,
  { messageId, conversationId }: EditMessage,
  changes: Pick<Secret, 'content' | 'mentions' | 'metadata'>,
  ports: EditPorts,
): Promise<EncryptedEnvelope | undefined> {
  const name = RECORDS.plaintext(messageId);
  const stored = await records.transact([name], (tx) => parsePlaintext(tx.getJson(name)));
  // What the edit doesn't name stays, as the files do. Empty metadata is removed.
  let secret: Secret = pickSecret({ ...changes, type: 'text' });
  let clientId = stored?.clientId ?? messageId;
  if (stored === undefined) {
    const message = await ports.findMessage(messageId);
    if (message.undecrypted === 'not-encrypted') {
      throw new CommError('INVALID', 'The message was encrypted, and the server claims that it is not');
    }
    if (message.encrypted !== true) {
      // That the message is readable is known from the server alone.
      await ports.refusePlaintext(conversationId);
      return undefined;
    }
    clientId = message.clientId ?? messageId;
    // Its files stay. One that can't be decrypted has none, and one in the outbox shows previews that others can't load.
    const isPending = message.status === 'sending' || message.status === 'failed';
    if (message.undecrypted === undefined && !isPending) secret = pickSecret({ ...message, ...changes });
  } else {
    secret = pickSecret({ ...stored, ...changes });
  }
  if (!ports.canEditEncrypted()) {
    throw new CommError('UNSUPPORTED', 'This server does not support edits of encrypted messages');
  }
  // A time, so that the counter also grows after the stored one was lost.
  const n = Math.max((stored?.n ?? 0) + 1, ports.now());
  return ports.encrypt(clientId, secret, { edits: messageId, n, sentAt: stored?.sentAt });
}
