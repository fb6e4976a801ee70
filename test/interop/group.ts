/** Sender keys of NKC1 in the second implementation: the sending and receiving chains of one conversation. */
import { randomBytes } from 'node:crypto';
import type { EncryptedEnvelope } from '../../src/protocol/encryption.ts';
import {
  aeadOpen,
  aeadSeal,
  ed25519Public,
  ed25519Sign,
  ed25519Verify,
  hkdf,
  hmac,
  lp,
  pad,
  sha256,
  u32,
  unpad,
} from './primitives.ts';
import type { InteropUser } from './user.ts';

/** The sender key as it is sent to each member. */
export interface InteropSenderKey {
  readonly cid: string;
  readonly chainId: number;
  readonly iteration: number;
  readonly chainKey: Buffer;
  readonly sigKey: Buffer;
}
interface Chain {
  iteration: number;
  chainKey: Buffer;
  readonly sigKey: Buffer;
  readonly keys: Map<number, Buffer>;
}

export class InteropGroup {
  readonly cid: string;
  readonly #user: InteropUser;
  readonly #seed = randomBytes(32);
  readonly #chainId = randomBytes(4).readUInt32BE();
  readonly #own: Chain;
  readonly #others = new Map<string, Chain>();

  constructor(user: InteropUser, cid: string) {
    this.#user = user;
    this.cid = cid;
    this.#own = { iteration: 0, chainKey: randomBytes(32), sigKey: ed25519Public(this.#seed), keys: new Map() };
  }

  key(): InteropSenderKey {
    const { iteration, chainKey, sigKey } = this.#own;
    return { cid: this.cid, chainId: this.#chainId, iteration, chainKey, sigKey };
  }

  accept(senderId: string, key: InteropSenderKey): void {
    if (key.cid !== this.cid) throw new Error('A key of another conversation');
    const { chainKey, sigKey, iteration } = key;
    this.#others.set(`${senderId} ${key.chainId}`, { iteration, chainKey, sigKey, keys: new Map() });
  }

  encrypt(plaintext: string | Buffer): EncryptedEnvelope {
    const { userId, identityKey } = this.#user;
    const n = this.#own.iteration;
    const nonce = randomBytes(16);
    const header = Buffer.concat([Buffer.from([1, 3]), u32(this.#chainId), u32(n), nonce]);
    const { key, iv } = messageKey(next(this.#own), nonce);
    const body = aeadSeal(key, iv, pad(Buffer.from(plaintext)), this.#labelled('NKC1-SKAD', userId, header));
    const signature = ed25519Sign(this.#seed, this.#labelled('NKC1-SKSIG', userId, header, body));
    return {
      senderId: userId,
      recipientId: this.cid,
      sessionId: this.#sessionId(userId, this.#chainId),
      ciphertext: Buffer.concat([header, body, signature]).toString('base64'),
      messageType: 'message',
      senderIdentityKey: identityKey.toString('base64'),
    };
  }

  decrypt(envelope: EncryptedEnvelope): Buffer {
    const { senderId } = envelope;
    const ciphertext = Buffer.from(envelope.ciphertext, 'base64');
    const header = ciphertext.subarray(0, 26);
    const body = ciphertext.subarray(26, -64);
    const chainId = header.readUInt32BE(2);
    const chain = this.#others.get(`${senderId} ${chainId}`);
    if (chain === undefined) throw new Error('Unknown chain');
    if (envelope.recipientId !== this.cid || envelope.sessionId !== this.#sessionId(senderId, chainId))
      throw new Error('Another conversation');
    const signed = this.#labelled('NKC1-SKSIG', senderId, header, body);
    if (!ed25519Verify(chain.sigKey, signed, ciphertext.subarray(-64))) throw new Error('Not from its sender');
    const n = header.readUInt32BE(6);
    while (chain.iteration <= n) {
      const at = chain.iteration;
      chain.keys.set(at, next(chain));
    }
    const found = chain.keys.get(n);
    if (found === undefined) throw new Error('Read before');
    chain.keys.delete(n);
    const { key, iv } = messageKey(found, header.subarray(-16));
    return unpad(aeadOpen(key, iv, body, this.#labelled('NKC1-SKAD', senderId, header)));
  }

  #sessionId(senderId: string, chainId: number): string {
    return sha256(this.#labelled('NKC1-SKID', senderId, u32(chainId)))
      .subarray(0, 16)
      .toString('base64url');
  }

  #labelled(label: string, senderId: string, ...rest: readonly Buffer[]): Buffer {
    return Buffer.concat([Buffer.from(label), lp(this.cid), lp(senderId), ...rest]);
  }
}

function next(chain: Chain): Buffer {
  const key = hmac(chain.chainKey, 1);
  chain.chainKey = hmac(chain.chainKey, 2);
  chain.iteration += 1;
  return key;
}

function messageKey(key: Buffer, nonce: Buffer): { key: Buffer; iv: Buffer } {
  const keys = hkdf(key, nonce, 'NKC1-SK', 44);
  return { key: keys.subarray(0, 32), iv: keys.subarray(32) };
}
