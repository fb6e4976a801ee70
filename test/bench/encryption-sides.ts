/** Two users who exchange encrypted messages, with lumen-comm and with libsignal. Each step awaits the step of the peer. */
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
import { parsePreKeyBundle } from '../../src/client/encryption/nkc1/prekey-bundle.ts';
import { generateIdentityKeyPair } from '../../src/client/encryption/nkc1/identity-key.ts';
import { encodePayload } from '../../src/client/encryption/nkc1/payload.ts';
import {
  decodeSessionRecord,
  encodeSessionRecord,
  newSessionRecord,
  type LocalParty,
} from '../../src/client/encryption/nkc1/session-record.ts';
import { EMPTY_PREKEY_STATE } from '../../src/client/encryption/nkc1/prekey-state.ts';
import { prepareUpload } from '../../src/client/encryption/keys/prekey-upload.ts';
import type { Random } from '../../src/client/encryption/nkc1/primitives.ts';
import { SessionBuilder as Nkc1SessionBuilder } from '../../src/client/encryption/nkc1/session-builder.ts';
import { SessionCipher as Nkc1SessionCipher } from '../../src/client/encryption/nkc1/session-cipher.ts';
import { systemRandom } from '../../src/lib/random.ts';

/** A session of two users. */
export interface Talk {
  /** Verifies a bundle, starts a session, encrypts the first message and decrypts it at the peer. */
  setUp(): Promise<void>;
  /** Sends a message and a reply: two DH ratchet steps. */
  roundTrip(text: string): Promise<void>;
  /** Encrypts and decrypts one message within a chain. */
  oneWay(text: string): Promise<void>;
}

const SIZE_OF_BATCH = 100;
const random: Random = (length) => systemRandom.bytes(length);

/** Uses the same modules as the client. The state is decoded before and encoded after each step. */
export function ourTalk(): Talk {
  const response = (
    oneTime: number,
    own: LocalParty,
    bundle: ReturnType<typeof prepareUpload>['bundle'],
  ): KeyExchangeResponse => ({
    recipientId: own.userId,
    identityKey: bundle.identityKey,
    signedPreKey: bundle.signedPreKey,
    signedPreKeySignature: bundle.signedPreKeySignature,
    oneTimePreKey: bundle.oneTimePreKeys[oneTime % SIZE_OF_BATCH],
  });
  const user = (userId: string): { own: LocalParty; bundle: ReturnType<typeof prepareUpload>['bundle'] } => {
    const identity = generateIdentityKeyPair(random);
    const { state: preKeys, bundle } = prepareUpload(EMPTY_PREKEY_STATE, identity, random, Date.now());
    return { own: { userId, identity, preKeys }, bundle };
  };
  const [alice, bob] = [user('alice'), user('bob')];
  const state = {
    alice: encodeSessionRecord(newSessionRecord('bob')),
    bob: encodeSessionRecord(newSessionRecord('alice')),
  };
  let started = 0;
  const pass = (from: 'alice' | 'bob', text: string): void => {
    const [sender, reader, to] = from === 'alice' ? [alice, bob, 'bob' as const] : [bob, alice, 'alice' as const];
    const sent = Nkc1SessionCipher.encrypt(
      decodeSessionRecord(state[from]) ?? newSessionRecord(to),
      sender.own,
      payloadOf(text),
      random,
    );
    if (!sent.ok) throw new Error(sent.reason);
    state[from] = encodeSessionRecord(sent.record);
    const got = Nkc1SessionCipher.decrypt(
      decodeSessionRecord(state[to]) ?? newSessionRecord(from),
      reader.own,
      sent.envelope,
      Date.now(),
    );
    if (!got.ok) throw new Error(got.reason);
    state[to] = encodeSessionRecord(got.record);
  };
  return {
    async setUp() {
      const read = parsePreKeyBundle('bob', response(started++, bob.own, bob.bundle));
      if (!read.ok) throw new Error(read.reason);
      const fresh = Nkc1SessionBuilder.initiate(newSessionRecord('bob'), alice.own, read.bundle, random, Date.now());
      if (!fresh.ok) throw new Error(fresh.reason);
      state.alice = encodeSessionRecord(fresh.record);
      state.bob = encodeSessionRecord(newSessionRecord('alice'));
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

/** Generates 100 one-time prekeys and a signed prekey for an upload. */
export function ourPreKeys(): void {
  prepareUpload(EMPTY_PREKEY_STATE, generateIdentityKeyPair(random), random, Date.now());
}

/** Uses @privacyresearch/libsignal-protocol-typescript with an in-memory store. */
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
  // Not deleted, so that several sessions can be set up from it.
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
