import { toBase64 } from '../../lib/base64.ts';
import { uuidv7 } from '../../lib/ids.ts';
import type { Logger } from '../../lib/logger.ts';
import type { EncryptedEnvelope } from '../../protocol/encryption.ts';
import { CommError } from '../../protocol/errors.ts';
import type { CommStorage } from '../../storage/comm-storage.ts';
import type { EncryptionOptions } from '../options.ts';
import { openDataKey } from './data-key.ts';
import type { Outcome } from './failures.ts';
import { createIdentity, identityOf, type Identity } from './identity.ts';
import { encodePayload, type Payload } from './payload.ts';
import { decodePeer, encodePeer, encryptTo, newPeer, type Own, type Peer } from './peer-sessions.ts';
import { decodePreKeys, NO_PREKEYS } from './prekeys.ts';
import { secureRandom } from './primitives.ts';
import { Records, type View } from './records.ts';

import { readPin, type Pin } from './trust.ts';

const path = (kind: string) => (id: string) => `${kind}/${encodeURIComponent(id)}`;

/** Where everything is kept, below the user. */
export const NAMES = {
  identity: 'identity',
  preKeys: 'prekeys',
  peer: path('peer'),
  pin: path('pin'),
  group: path('group'),
  /** The chain keys that members of a group were given. */
  given: path('given'),
  /** What waits to be sent, by client id. */
  draft: path('draft'),
  /** Own texts that have no message id yet, by the hash of their ciphertext. */
  own: path('own'),
  /** Texts by message id. */
  text: path('text'),
  /** Envelopes that go by `session-init`, by when they were made. */
  post: path('post'),
  required: path('required'),
  members: path('members'),
  /** The newest key for a call, by who sent it. */
  media: path('media'),
  /** Texts that came beside their conversation, by sender and client id. */
  late: (senderId: string, clientId: string) => `late/${encodeURIComponent(senderId)}/${encodeURIComponent(clientId)}`,
} as const;

export interface AccountDeps {
  storage: CommStorage;
  atRest: EncryptionOptions['atRest'];
  isVolatile: boolean;
  logger: Logger;
}

/** One user's keys and texts, opened. */
export class Account {
  readonly userId: string;
  readonly records: Records;
  #identity: Identity | undefined;

  private constructor(userId: string, records: Records) {
    this.userId = userId;
    this.records = records;
  }

  /** @throws CommError `E2EE_LOCKED`, `STORAGE` */
  static async open(deps: AccountDeps, userId: string): Promise<Account> {
    const prefix = prefixOf(userId);
    const dataKey = await openDataKey({ ...deps, storeKey: `${prefix}vault`, random: secureRandom });
    const account = new Account(userId, new Records(deps.storage, prefix, dataKey, secureRandom));
    // Whichever tab is first makes the identity.
    await account.records.transact([NAMES.identity], (view) => {
      if (view.get(NAMES.identity) === undefined) view.put(NAMES.identity, createIdentity(secureRandom).seed);
    });
    return account;
  }

  /** Deletes everything, also what can't be opened, but what must not be sent as it is: new keys change nothing about that. */
  static async erase(storage: CommStorage, userId: string): Promise<void> {
    const prefix = prefixOf(userId);
    const entries = (await storage.list(prefix)).filter(([key]) => !key.startsWith(prefix + NAMES.required('')));
    const writes = new Map(entries.map(([key]) => [key, undefined] as const));
    await storage.transact([], () => ({ writes, result: undefined }));
  }

  /** The identity as it stands: another tab may have replaced it. Needs the record `identity`. */
  identity(view: View): Identity {
    const seed = view.get(NAMES.identity);
    if (seed === undefined) throw new CommError('E2EE_LOCKED', 'The identity was reset in another tab');
    const held = this.#identity;
    if (held !== undefined && toBase64(held.seed) === toBase64(seed)) return held;
    return (this.#identity = identityOf(seed));
  }

  /** Needs the records `identity` and `prekeys`. */
  own(view: View): Own {
    const stored = view.get(NAMES.preKeys);
    const preKeys = stored && decodePreKeys(stored);
    return { userId: this.userId, identity: this.identity(view), preKeys: preKeys ?? NO_PREKEYS };
  }
}

export function prefixOf(userId: string): string {
  return `${encodeURIComponent(userId)}/e2ee/`;
}

export function peerIn(view: View, userId: string): Peer {
  const stored = view.get(NAMES.peer(userId));
  return (stored && decodePeer(stored)) ?? newPeer(userId);
}

export function pinIn(view: View, userId: string): Pin | undefined {
  return readPin(view.read(NAMES.pin(userId)));
}

export function keepPin(view: View, userId: string, pin: Pin): void {
  view.write(NAMES.pin(userId), { ...pin });
}

/** Encrypts on a peer's session and keeps the step. Needs the records `identity` and `peer`. */
export function encryptIn(
  view: View,
  account: Account,
  peerId: string,
  payload: Payload,
  sessionId?: string,
): Outcome<{ envelope: EncryptedEnvelope }> {
  const own = { userId: account.userId, identity: account.identity(view) };
  const step = encryptTo(peerIn(view, peerId), own, encodePayload(payload), secureRandom, sessionId);
  if (step.ok) view.put(NAMES.peer(peerId), encodePeer(step.peer));
  return step;
}

/** Puts an envelope where the post takes it from once the step is committed. @returns its name */
export function postIn(view: View, envelope: EncryptedEnvelope): string {
  const name = NAMES.post(uuidv7());
  view.write(name, { ...envelope });
  return name;
}
