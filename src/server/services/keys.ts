import type { Clock } from '../../lib/clock.ts';
import { errorFields, type Logger } from '../../lib/logger.ts';
import type { KeyExchangeResponse, KeysUploaded, RequestKeys, UploadKeys } from '../../protocol/encryption.ts';
import { CommError } from '../../protocol/errors.ts';
import { isDepleted, publishedKeys, replaceKeys, takeOneTimePreKey, type TakenPreKey } from '../store/keys.ts';
import { isUnavailable } from '../store/outages.ts';
import type { Store } from '../store/store.ts';
import { peersOf, sharingWith } from '../store/users.ts';
import type { Work } from '../store/work.ts';
import type { KeyLimits } from './key-limits.ts';
import { checkBundle } from './key-rules.ts';
import type { Caller, Hub } from './ports.ts';
import { conflict } from './refusals.ts';

export interface KeyServiceDeps {
  readonly store: Store;
  readonly hub: Pick<Hub, 'toUser' | 'toSocket'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: KeyLimits;
}

/** More people than this aren't told of another identity: they see it when they ask for the keys. */
const MAX_TOLD = 10_000;

interface Uploaded {
  readonly keyCount: number;
  /** Who has to hear of another identity. */
  readonly peers: readonly string[];
  readonly changed: boolean;
}

/** Public keys. What is checked here spares honest clients trouble; they trust none of it. */
export class KeyService {
  readonly #deps: KeyServiceDeps;

  constructor(deps: KeyServiceDeps) {
    this.#deps = deps;
  }

  /**
   * Publishes the caller's keys and replaces all they had published before.
   *
   * @throws CommError `CONFLICT` where `replaces` names another identity than is stored, `INVALID`, `RATE_LIMITED`
   */
  async upload(caller: Caller, { replaces, ...bundle }: UploadKeys): Promise<KeysUploaded> {
    const { userId, caps } = caller;
    const { store, clock, limits } = this.#deps;
    limits.uploads.take(userId);
    checkBundle(bundle);
    const { identityKey } = bundle;
    const uploadedAt = new Date(clock.now()).toISOString();
    const work = function* (): Work<Uploaded> {
      const stored = (yield* publishedKeys(userId))?.identityKey;
      const changed = stored !== undefined && stored !== identityKey;
      // What was uploaded under the same guard and not answered may come again: then the stored one is its own.
      if (changed && replaces !== undefined && replaces !== stored) throw conflict('The server holds another identity');
      const keyCount = yield* replaceKeys({ ...bundle, userId, uploadedAt }, caps.has('mailbox'));
      return { keyCount, changed, peers: changed ? yield* peersOf(userId, MAX_TOLD) : [] };
    };
    const { keyCount } = await store.write(work, (uploaded) => this.#announceIdentity(caller, identityKey, uploaded));
    return { userId, keyCount };
  }

  /**
   * The keys of somebody who shares a conversation with the caller, with a one-time prekey that nobody else gets, unless
   * the caller has had too many of them. One's own keys come without: taking one would waste it.
   *
   * @throws CommError `NOT_FOUND`, `RATE_LIMITED`
   */
  async request(caller: Caller, { recipientId }: RequestKeys): Promise<KeyExchangeResponse> {
    const { userId } = caller;
    const { store, limits } = this.#deps;
    limits.requests.take(userId);
    const own = recipientId === userId;
    const found = await store.write(
      function* () {
        if (!own && !(yield* sharingWith(userId, [recipientId])).has(recipientId)) return undefined;
        const keys = yield* publishedKeys(recipientId);
        if (keys === undefined) return undefined;
        const mayTake = !own && limits.mayTake(userId, recipientId);
        return { keys, taken: mayTake ? yield* takeOneTimePreKey(recipientId) : undefined };
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

  /** Whoever wasn't there when the last one-time prekey was taken learns of it now. Never rejects. */
  async connected({ userId, socketId }: Caller): Promise<void> {
    const { store, hub, logger } = this.#deps;
    if (socketId === undefined) return;
    try {
      if (!(await store.read(() => isDepleted(userId)))) return;
      hub.toSocket(socketId, { event: 'encryption:keys-depleted', data: { userId } });
    } catch (error) {
      if (isUnavailable(error)) return;
      logger.warn('it could not be told that one-time prekeys are used up', errorFields(error));
    }
  }

  #announceIdentity({ userId, socketId }: Caller, identityKey: string, { changed, peers }: Uploaded): void {
    if (!changed) return;
    const { hub } = this.#deps;
    const push = { event: 'encryption:keys-changed', data: { userId, identityKey } } as const;
    for (const peer of peers) hub.toUser(peer, push, { mailbox: true });
    hub.toUser(userId, push, { mailbox: true, exceptSocketId: socketId });
  }

  /** Told by whoever took the last one, so once per depletion. */
  #announceDepletion(userId: string, taken: TakenPreKey | undefined): void {
    if (taken?.left === 0) this.#deps.hub.toUser(userId, { event: 'encryption:keys-depleted', data: { userId } });
  }
}
