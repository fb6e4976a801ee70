/**
 * A Double Ratchet session of NKC1 after Signal's pseudo-code: it performs the DH step when a new ratchet key arrives. It is
 * mutable, so a message that fails breaks the session.
 */
import { randomBytes } from 'node:crypto';
import { aeadOpen, aeadSeal, hkdf, hmac, lp, pad, u32, unpad, x25519, x25519Public } from './primitives.ts';

export interface Opening {
  readonly ephemeralKey: Buffer;
  readonly signedPreKeyId: number;
  readonly oneTimePreKeyId: number | undefined;
}

export class Session {
  readonly transcript: Buffer;
  /** Set while envelopes must be `prekey` envelopes. */
  opening: Opening | undefined;
  #root: Buffer;
  #pair: Buffer;
  #remote: Buffer | undefined;
  #sending: Buffer | undefined;
  #receiving: Buffer | undefined;
  #sent = 0;
  #received = 0;
  #previous = 0;
  readonly #skipped = new Map<string, Buffer>();

  private constructor(transcript: Buffer, root: Buffer, pair: Buffer, opening: Opening | undefined) {
    this.transcript = transcript;
    this.#root = root;
    this.#pair = pair;
    this.opening = opening;
  }

  static start(transcript: Buffer, secret: Buffer, signedPreKey: Buffer, opening: Opening): Session {
    const session = new Session(transcript, secret, randomBytes(32), opening);
    session.#remote = signedPreKey;
    session.#sending = session.#step(signedPreKey);
    return session;
  }

  static answer(transcript: Buffer, secret: Buffer, signedPreKeySecret: Buffer): Session {
    return new Session(transcript, secret, signedPreKeySecret, undefined);
  }

  get id(): string {
    return this.transcript.subarray(0, 16).toString('base64url');
  }

  /** RK ‖ CK = HKDF(DH, RK, "NKC1-ROOT", 64) */
  #step(remote: Buffer): Buffer {
    const keys = hkdf(x25519(this.#pair, remote), this.#root, 'NKC1-ROOT', 64);
    this.#root = keys.subarray(0, 32);
    return keys.subarray(32);
  }

  seal(senderId: string, recipientId: string, plaintext: Buffer): Buffer {
    if (this.#sending === undefined) throw new Error('nothing was received yet');
    const nonce = randomBytes(16);
    const header = Buffer.concat([
      Buffer.from([1, this.opening === undefined ? 1 : 2]),
      ...(this.opening === undefined ? [] : [u32(this.opening.signedPreKeyId)]),
      x25519Public(this.#pair),
      u32(this.#previous),
      u32(this.#sent),
      nonce,
    ]);
    const { key, iv } = messageKey(hmac(this.#sending, 1), nonce);
    this.#sending = hmac(this.#sending, 2);
    this.#sent += 1;
    return Buffer.concat([header, aeadSeal(key, iv, pad(plaintext), this.#ad(senderId, recipientId, header))]);
  }

  open(senderId: string, recipientId: string, ciphertext: Buffer): Buffer {
    const length = ciphertext[1] === 2 ? 62 : 58;
    const header = ciphertext.subarray(0, length);
    const dh = header.subarray(-56, -24);
    const [pn, n] = [header.readUInt32BE(length - 24), header.readUInt32BE(length - 20)];
    const { key, iv } = messageKey(this.#keyAt(dh, pn, n), header.subarray(-16));
    const ad = this.#ad(senderId, recipientId, header);
    const plaintext = unpad(aeadOpen(key, iv, ciphertext.subarray(length), ad));
    this.opening = undefined;
    return plaintext;
  }

  #keyAt(dh: Buffer, pn: number, n: number): Buffer {
    const name = `${dh.toString('hex')} ${n}`;
    const kept = this.#skipped.get(name);
    if (kept !== undefined) {
      this.#skipped.delete(name);
      return kept;
    }
    if (this.#receiving === undefined || this.#remote?.equals(dh) !== true) this.#turn(dh, pn);
    this.#skipTo(n);
    if (this.#receiving === undefined || n < this.#received) throw new Error('decrypted before');
    const key = hmac(this.#receiving, 1);
    this.#receiving = hmac(this.#receiving, 2);
    this.#received += 1;
    return key;
  }

  #turn(dh: Buffer, pn: number): void {
    this.#skipTo(pn);
    this.#previous = this.#sent;
    this.#sent = 0;
    this.#received = 0;
    this.#remote = Buffer.from(dh);
    this.#receiving = this.#step(dh);
    this.#pair = randomBytes(32);
    this.#sending = this.#step(dh);
  }

  #skipTo(n: number): void {
    while (this.#receiving !== undefined && this.#remote !== undefined && this.#received < n) {
      this.#skipped.set(`${this.#remote.toString('hex')} ${this.#received}`, hmac(this.#receiving, 1));
      this.#receiving = hmac(this.#receiving, 2);
      this.#received += 1;
    }
  }

  #ad(senderId: string, recipientId: string, header: Buffer): Buffer {
    return Buffer.concat([Buffer.from('NKC1-AD'), this.transcript, lp(senderId), lp(recipientId), header]);
  }
}

function messageKey(key: Buffer, nonce: Buffer): { key: Buffer; iv: Buffer } {
  const keys = hkdf(key, nonce, 'NKC1-MSG', 44);
  return { key: keys.subarray(0, 32), iv: keys.subarray(32) };
}
