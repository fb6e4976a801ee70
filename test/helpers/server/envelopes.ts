import type { EncryptedEnvelope, SessionInit } from '../../../src/protocol/encryption.ts';

/** An envelope that a server has to take; `text` makes it one of its own. */
export function envelopeOf(senderId: string, recipientId: string, text = 'AAAA'): EncryptedEnvelope {
  return {
    senderId,
    recipientId,
    sessionId: 's1',
    ciphertext: Buffer.from(text).toString('base64'),
    messageType: 'prekey',
    senderIdentityKey: Buffer.alloc(32, 7).toString('base64'),
  };
}

export function sessionInit(senderId: string, recipientId: string, text?: string): SessionInit {
  return { recipientId, sessionId: 's1', envelope: envelopeOf(senderId, recipientId, text) };
}

export function textOf({ envelope }: { readonly envelope: EncryptedEnvelope }): string {
  return Buffer.from(envelope.ciphertext, 'base64').toString();
}
