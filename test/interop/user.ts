/**
 * A user of NKC1 in a second implementation, on node:crypto, with the protocol's types.
 *
 * ```ts
 * const user = new InteropUser('bob');
 * user.bundle();                        // for `encryption:upload-keys`
 * user.start(response);                 // from `encryption:keys-response`
 * user.encrypt('alice', 'bytes');       // an EncryptedEnvelope
 * user.decrypt(envelope);               // its plaintext; throws if it can't be decrypted
 * ```
 */
import { randomBytes } from 'node:crypto';
import type { EncryptedEnvelope, KeyBundle, KeyExchangeResponse } from '../../src/protocol/encryption.ts';
import {
  ed25519Public,
  ed25519Sign,
  ed25519ToX25519,
  ed25519Verify,
  hkdf,
  lp,
  seedToX25519,
  sha256,
  u32,
  x25519,
  x25519Public,
} from './primitives.ts';
import { Session } from './session.ts';

interface Party {
  readonly userId: string;
  readonly identityKey: Buffer;
}
interface Key {
  readonly id: number;
  readonly publicKey: Buffer;
}

const bytes = (text: string): Buffer => Buffer.from(text, 'base64');

export class InteropUser {
  readonly userId: string;
  readonly seed: Buffer;
  readonly identityKey: Buffer;
  readonly #signed = new Map<number, Buffer>();
  readonly #oneTime = new Map<number, Buffer>();
  readonly #sessions = new Map<string, Session>();
  /** The session to send on, by peer. */
  readonly #primary = new Map<string, Session>();

  constructor(userId: string, seed: Buffer = randomBytes(32), oneTimeKeys = 10) {
    this.userId = userId;
    this.seed = seed;
    this.identityKey = ed25519Public(seed);
    this.#signed.set(1, randomBytes(32));
    for (let id = 1; id <= oneTimeKeys; id += 1) this.#oneTime.set(id, randomBytes(32));
  }

  bundle(): KeyBundle {
    const [[keyId, secret] = [0, Buffer.alloc(32)]] = this.#signed;
    const publicKey = x25519Public(secret);
    return {
      userId: this.userId,
      identityKey: this.identityKey.toString('base64'),
      signedPreKey: { keyId, publicKey: publicKey.toString('base64') },
      signedPreKeySignature: ed25519Sign(this.seed, publicKey).toString('base64'),
      oneTimePreKeys: Array.from(this.#oneTime, ([id, each]) => ({
        keyId: id,
        publicKey: x25519Public(each).toString('base64'),
      })),
      uploadedAt: '',
    };
  }

  /** Starts a session from a bundle and makes it primary. */
  start(response: KeyExchangeResponse): string {
    const identityKey = bytes(response.identityKey);
    const signed = { id: response.signedPreKey.keyId, publicKey: bytes(response.signedPreKey.publicKey) };
    if (!ed25519Verify(identityKey, signed.publicKey, bytes(response.signedPreKeySignature)))
      throw new Error('The signature of the signed prekey is wrong');
    const given = response.oneTimePreKey;
    const oneTime = given === undefined ? undefined : { id: given.keyId, publicKey: bytes(given.publicKey) };
    const secret = randomBytes(32);
    const ephemeralKey = x25519Public(secret);
    const other = { userId: response.recipientId, identityKey };
    const transcript = transcriptOf(this, other, ephemeralKey, signed, oneTime);
    const shared = secretOf(transcript, [
      x25519(seedToX25519(this.seed), signed.publicKey),
      x25519(secret, ed25519ToX25519(identityKey)),
      x25519(secret, signed.publicKey),
      ...(oneTime === undefined ? [] : [x25519(secret, oneTime.publicKey)]),
    ]);
    const opening = { ephemeralKey, signedPreKeyId: signed.id, oneTimePreKeyId: oneTime?.id };
    this.#keep(response.recipientId, Session.start(transcript, shared, signed.publicKey, opening));
    return transcript.subarray(0, 16).toString('base64url');
  }

  encrypt(recipientId: string, plaintext: string | Buffer): EncryptedEnvelope {
    const session = this.#primary.get(recipientId);
    if (session === undefined) throw new Error(`There is no session with ${recipientId}`);
    const { opening } = session;
    const ciphertext = session.seal(this.userId, recipientId, Buffer.from(plaintext));
    return {
      senderId: this.userId,
      recipientId,
      sessionId: session.id,
      ciphertext: ciphertext.toString('base64'),
      messageType: opening === undefined ? 'message' : 'prekey',
      senderIdentityKey: this.identityKey.toString('base64'),
      ...(opening !== undefined && { senderEphemeralKey: opening.ephemeralKey.toString('base64') }),
      ...(opening?.oneTimePreKeyId !== undefined && { usedOneTimePreKeyId: opening.oneTimePreKeyId }),
    };
  }

  /** The session of the last decrypted envelope becomes primary. */
  decrypt(envelope: EncryptedEnvelope): Buffer {
    const { senderId, sessionId } = envelope;
    const session = this.#sessions.get(sessionId) ?? this.#answer(envelope);
    const plaintext = session.open(senderId, this.userId, bytes(envelope.ciphertext));
    this.#keep(senderId, session);
    if (envelope.usedOneTimePreKeyId !== undefined) this.#oneTime.delete(envelope.usedOneTimePreKeyId);
    return plaintext;
  }

  #answer(envelope: EncryptedEnvelope): Session {
    const { senderEphemeralKey, usedOneTimePreKeyId } = envelope;
    if (envelope.messageType !== 'prekey' || senderEphemeralKey === undefined) throw new Error('Unknown session');
    const signedId = bytes(envelope.ciphertext).readUInt32BE(2);
    const signed = this.#signed.get(signedId);
    const oneTime = usedOneTimePreKeyId === undefined ? undefined : this.#oneTime.get(usedOneTimePreKeyId);
    if (signed === undefined) throw new Error('Unknown signed prekey');
    if (usedOneTimePreKeyId !== undefined && oneTime === undefined) throw new Error('Unknown one-time prekey');
    const other = { userId: envelope.senderId, identityKey: bytes(envelope.senderIdentityKey) };
    const ephemeralKey = bytes(senderEphemeralKey);
    const transcript = transcriptOf(
      other,
      this,
      ephemeralKey,
      { id: signedId, publicKey: x25519Public(signed) },
      oneTime && { id: usedOneTimePreKeyId ?? 0, publicKey: x25519Public(oneTime) },
    );
    if (transcript.subarray(0, 16).toString('base64url') !== envelope.sessionId) throw new Error('Another session');
    const shared = secretOf(transcript, [
      x25519(signed, ed25519ToX25519(other.identityKey)),
      x25519(seedToX25519(this.seed), ephemeralKey),
      x25519(signed, ephemeralKey),
      ...(oneTime === undefined ? [] : [x25519(oneTime, ephemeralKey)]),
    ]);
    return Session.answer(transcript, shared, signed);
  }

  #keep(peerId: string, session: Session): void {
    this.#sessions.set(session.id, session);
    this.#primary.set(peerId, session);
  }
}

function transcriptOf(a: Party, b: Party, ephemeralKey: Buffer, signed: Key, oneTime: Key | undefined): Buffer {
  return sha256(
    Buffer.concat([
      Buffer.from('NKC1-TH'),
      lp(a.userId),
      u32(0),
      lp(b.userId),
      u32(0),
      a.identityKey,
      b.identityKey,
      ephemeralKey,
      u32(signed.id),
      signed.publicKey,
      oneTime === undefined ? Buffer.from([0]) : Buffer.concat([Buffer.from([1]), u32(oneTime.id), oneTime.publicKey]),
    ]),
  );
}

function secretOf(transcript: Buffer, results: readonly Buffer[]): Buffer {
  const info = Buffer.concat([Buffer.from('NKC1-X3DH'), transcript]);
  return hkdf(Buffer.concat([Buffer.alloc(32, 0xff), ...results]), Buffer.alloc(32), info, 32);
}
