import type { Clock } from '../../lib/clock.ts';
import type {
  KeyBundle,
  KeyExchangeResponse,
  KeysUploaded,
  RequestKeys,
  SessionInit,
} from '../../protocol/encryption.ts';
import { CommError } from '../../protocol/errors.ts';
import { publishedKeys, replaceKeys, takeOneTimePreKey, type TakenPreKey } from '../store/keys.ts';
import type { Store } from '../store/store.ts';
import { sharingWith } from '../store/users.ts';
import { isIdentityKey, verifyEd25519 } from './ed25519.ts';
import type { Caller, Hub } from './ports.ts';

export interface KeyServiceDeps {
  store: Store;
  hub: Hub;
  clock: Clock;
}

/** Public keys and opaque envelopes: what is checked here spares honest clients trouble; they trust none of it. */
export class KeyService {
  readonly #deps: KeyServiceDeps;

  constructor(deps: KeyServiceDeps) {
    this.#deps = deps;
  }

  /** Publishes the caller's keys and replaces all they had published before. */
  async upload(caller: Caller, bundle: KeyBundle): Promise<KeysUploaded> {
    checkBundle(bundle);
    const uploadedAt = new Date(this.#deps.clock.now()).toISOString();
    await this.#deps.store.write(() => replaceKeys({ ...bundle, userId: caller.userId, uploadedAt }));
    return { userId: caller.userId, keyCount: bundle.oneTimePreKeys.length };
  }

  /**
   * The keys of somebody who shares a conversation with the caller, with a one-time prekey that nobody else gets. One's
   * own keys come without: taking one would waste it.
   */
  async request(caller: Caller, { recipientId }: RequestKeys): Promise<KeyExchangeResponse> {
    const own = recipientId === caller.userId;
    const found = await this.#deps.store.write(
      function* () {
        if (!own && !(yield* sharingWith(caller.userId, [recipientId])).has(recipientId)) return undefined;
        const keys = yield* publishedKeys(recipientId);
        return keys && { keys, taken: own ? undefined : yield* takeOneTimePreKey(recipientId) };
      },
      (value) => this.#announceDepletion(recipientId, value?.taken),
    );
    // The same answer whether there are no keys, nobody of that name, or nothing in common with them.
    if (found === undefined) throw new CommError('NOT_FOUND', 'No keys');
    const { identityKey, signedPreKey, signedPreKeySignature } = found.keys;
    return {
      recipientId,
      identityKey,
      signedPreKey,
      signedPreKeySignature,
      ...(found.taken !== undefined && { oneTimePreKey: found.taken.preKey }),
    };
  }

  /** Hands an envelope to the recipient's devices that are connected. */
  async relaySession(caller: Caller, { recipientId, sessionId, envelope }: SessionInit): Promise<null> {
    const { userId } = caller;
    if (envelope.senderId !== userId) throw new CommError('FORBIDDEN', 'The envelope names another sender');
    if (envelope.recipientId !== recipientId || envelope.sessionId !== sessionId) {
      throw new CommError('INVALID', 'The envelope belongs to another recipient or session');
    }
    const sharing = await this.#deps.store.read(() => sharingWith(userId, [recipientId]));
    if (recipientId !== userId && !sharing.has(recipientId)) throw new CommError('NOT_FOUND', 'No keys');
    const data = { senderId: userId, sessionId, envelope };
    this.#deps.hub.toUser(recipientId, { event: 'encryption:session-init', data }, { exceptSocketId: caller.socketId });
    return null;
  }

  /** Told by whoever took the last one, so once per depletion. */
  #announceDepletion(userId: string, taken: TakenPreKey | undefined): void {
    if (taken?.left === 0) this.#deps.hub.toUser(userId, { event: 'encryption:keys-depleted', data: { userId } });
  }
}

/** @throws CommError `INVALID` */
function checkBundle({ identityKey, signedPreKey, signedPreKeySignature, oneTimePreKeys }: KeyBundle): void {
  const identity = keyBytes(identityKey, 32, 'identityKey');
  const preKey = keyBytes(signedPreKey.publicKey, 32, 'signedPreKey');
  const signature = keyBytes(signedPreKeySignature, 64, 'signedPreKeySignature');
  if (!isIdentityKey(identity)) throw invalid('identityKey is not a usable Ed25519 key');
  if (!verifyEd25519(identity, preKey, signature)) throw invalid('signedPreKeySignature does not fit');
  for (const { publicKey } of oneTimePreKeys) keyBytes(publicKey, 32, 'oneTimePreKeys');
  const ids = new Set(oneTimePreKeys.map(({ keyId }) => keyId));
  if (ids.size !== oneTimePreKeys.length) throw invalid('oneTimePreKeys have the same keyId twice');
}

/** Strict base64: what was decoded must encode to the same text, or one key would have several names. */
function keyBytes(base64: string, length: number, name: string): Uint8Array {
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.length !== length || bytes.toString('base64') !== base64) throw invalid(`${name} is not ${length} bytes`);
  return bytes;
}

function invalid(message: string): CommError {
  return new CommError('INVALID', message);
}
