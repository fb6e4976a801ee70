/** Two users who encrypt, by our modules and by what one would take instead. Each step waits for the other side's. */
import {
  type Direction,
  type DeviceType,
  KeyHelper,
  type KeyPairType,
  SessionBuilder,
  SessionCipher,
  SignalProtocolAddress,
  type StorageType,
} from '@privacyresearch/libsignal-protocol-typescript';
import type { KeyExchangeResponse } from '../../src/protocol/encryption.ts';
import { readBundle } from '../../src/client/encryption/bundle.ts';
import { createIdentity } from '../../src/client/encryption/identity.ts';
import { encodePayload } from '../../src/client/encryption/payload.ts';
import { decodePeer, encodePeer, encryptTo, newPeer, type Own } from '../../src/client/encryption/peer-sessions.ts';
import { startWith } from '../../src/client/encryption/session-start.ts';
import { NO_PREKEYS } from '../../src/client/encryption/prekeys.ts';
import { prepareUpload } from '../../src/client/encryption/uploading.ts';
import { type Random, secureRandom } from '../../src/client/encryption/primitives.ts';
import { receive } from '../../src/client/encryption/receive.ts';

/** A talk of two users: how it starts, and a message with its answer. */
export interface Talk {
  /** From a bundle on: its checks, the agreement, the first message, and the other side's reading of it. */
  setUp(): Promise<void>;
  /** One message and its answer: the ratchet turns twice. */
  roundTrip(text: string): Promise<void>;
  /** One message, sealed and read. */
  oneWay(text: string): Promise<void>;
}

const SIZE_OF_BATCH = 100;
const random: Random = secureRandom;

/** As a client does it: after each step the state is written out, before each one it is read. */
export function ourTalk(): Talk {
  const response = (
    oneTime: number,
    own: Own,
    bundle: ReturnType<typeof prepareUpload>['bundle'],
  ): KeyExchangeResponse => ({
    recipientId: own.userId,
    identityKey: bundle.identityKey,
    signedPreKey: bundle.signedPreKey,
    signedPreKeySignature: bundle.signedPreKeySignature,
    oneTimePreKey: bundle.oneTimePreKeys[oneTime % SIZE_OF_BATCH],
  });
  const user = (userId: string): { own: Own; bundle: ReturnType<typeof prepareUpload>['bundle'] } => {
    const identity = createIdentity(random);
    const { keys, bundle } = prepareUpload(NO_PREKEYS, identity, random, Date.now());
    return { own: { userId, identity, preKeys: keys }, bundle };
  };
  const [alice, bob] = [user('alice'), user('bob')];
  const state = { alice: encodePeer(newPeer('bob')), bob: encodePeer(newPeer('alice')) };
  let started = 0;
  const pass = (from: 'alice' | 'bob', text: string): void => {
    const [sender, reader, to] = from === 'alice' ? [alice, bob, 'bob' as const] : [bob, alice, 'alice' as const];
    const sent = encryptTo(decodePeer(state[from]) ?? newPeer(to), sender.own, payloadOf(text), random);
    if (!sent.ok) throw new Error(sent.reason);
    state[from] = encodePeer(sent.peer);
    const got = receive(decodePeer(state[to]) ?? newPeer(from), reader.own, sent.envelope, Date.now());
    if (!got.ok) throw new Error(got.reason);
    state[to] = encodePeer(got.peer);
  };
  return {
    async setUp() {
      const read = readBundle('bob', response(started++, bob.own, bob.bundle));
      if (!read.ok) throw new Error(read.reason);
      const fresh = startWith(newPeer('bob'), alice.own, read.bundle, random, Date.now());
      if (!fresh.ok) throw new Error(fresh.reason);
      state.alice = encodePeer(fresh.peer);
      state.bob = encodePeer(newPeer('alice'));
      pass('alice', 'hello');
    },
    async roundTrip(text) {
      pass('alice', text);
      pass('bob', text);
    },
    async oneWay(text) {
      pass('alice', text);
    },
  };
}

const payloadOf = (content: string): Uint8Array =>
  encodePayload({ kind: 'message', id: 'id', cid: 'cid', ts: 0, type: 'text', content });

/** 100 one-time keys and a signed prekey, ready to be uploaded. */
export function ourPreKeys(): void {
  prepareUpload(NO_PREKEYS, createIdentity(random), random, Date.now());
}

/** @privacyresearch/libsignal-protocol-typescript, with a store that costs nothing. */
export async function libsignalTalk(): Promise<Talk> {
  const [alice, bob] = [await LibsignalUser.create('alice'), await LibsignalUser.create('bob')];
  let [toBob, toAlice] = [alice.cipherFor(bob), bob.cipherFor(alice)];
  let started = 0;
  const pass = async (cipher: SessionCipher, reader: SessionCipher, text: string): Promise<void> => {
    const sent = await cipher.encrypt(arrayBuffer(Buffer.from(text)));
    const body = sent.body ?? '';
    await (sent.type === 3
      ? reader.decryptPreKeyWhisperMessage(body, 'binary')
      : reader.decryptWhisperMessage(body, 'binary'));
  };
  return {
    async setUp() {
      alice.forgetSessions();
      bob.forgetSessions();
      await new SessionBuilder(alice, bob.address).processPreKey(bob.device(started++));
      [toBob, toAlice] = [alice.cipherFor(bob), bob.cipherFor(alice)];
      await pass(toBob, toAlice, 'hello');
    },
    async roundTrip(text) {
      await pass(toBob, toAlice, text);
      await pass(toAlice, toBob, text);
    },
    oneWay: (text) => pass(toBob, toAlice, text),
  };
}

export async function libsignalPreKeys(): Promise<void> {
  const identity = await KeyHelper.generateIdentityKeyPair();
  await KeyHelper.generateSignedPreKey(identity, 1);
  for (let id = 1; id <= SIZE_OF_BATCH; id += 1) await KeyHelper.generatePreKey(id);
}

const arrayBuffer = (bytes: Uint8Array): ArrayBuffer => new Uint8Array(bytes).buffer;

type SignedPreKey = Awaited<ReturnType<typeof KeyHelper.generateSignedPreKey>>;

class LibsignalUser implements StorageType {
  readonly address: SignalProtocolAddress;
  readonly #identity: KeyPairType;
  readonly #registrationId = KeyHelper.generateRegistrationId();
  readonly #signed: SignedPreKey;
  readonly #oneTime = new Map<number, KeyPairType>();
  readonly #sessions = new Map<string, string>();

  private constructor(name: string, identity: KeyPairType, signed: SignedPreKey) {
    this.address = new SignalProtocolAddress(name, 1);
    this.#identity = identity;
    this.#signed = signed;
  }

  static async create(name: string): Promise<LibsignalUser> {
    const identity = await KeyHelper.generateIdentityKeyPair();
    const user = new LibsignalUser(name, identity, await KeyHelper.generateSignedPreKey(identity, 1));
    for (let id = 0; id < SIZE_OF_BATCH; id += 1) user.#oneTime.set(id, (await KeyHelper.generatePreKey(id)).keyPair);
    return user;
  }

  device(oneTime: number): DeviceType {
    const keyId = oneTime % SIZE_OF_BATCH;
    const preKey = this.#oneTime.get(keyId);
    return {
      identityKey: this.#identity.pubKey,
      registrationId: this.#registrationId,
      signedPreKey: { keyId: 1, publicKey: this.#signed.keyPair.pubKey, signature: this.#signed.signature },
      ...(preKey !== undefined && { preKey: { keyId, publicKey: preKey.pubKey } }),
    };
  }

  cipherFor(other: LibsignalUser): SessionCipher {
    return new SessionCipher(this, other.address);
  }

  forgetSessions(): void {
    this.#sessions.clear();
  }

  getIdentityKeyPair = (): Promise<KeyPairType> => Promise.resolve(this.#identity);
  getLocalRegistrationId = (): Promise<number> => Promise.resolve(this.#registrationId);
  isTrustedIdentity = (_id: string, _key: ArrayBuffer, _way: Direction): Promise<boolean> => Promise.resolve(true);
  saveIdentity = (): Promise<boolean> => Promise.resolve(false);
  loadPreKey = (id: string | number): Promise<KeyPairType | undefined> =>
    Promise.resolve(this.#oneTime.get(Number(id)));
  storePreKey = (): Promise<void> => Promise.resolve();
  // Kept, so that a session may be set up more than once from it.
  removePreKey = (): Promise<void> => Promise.resolve();
  loadSignedPreKey = (): Promise<KeyPairType> => Promise.resolve(this.#signed.keyPair);
  storeSignedPreKey = (): Promise<void> => Promise.resolve();
  removeSignedPreKey = (): Promise<void> => Promise.resolve();
  loadSession = (address: string): Promise<string | undefined> => Promise.resolve(this.#sessions.get(address));
  storeSession = (address: string, record: string): Promise<void> => {
    this.#sessions.set(address, record);
    return Promise.resolve();
  };
}
