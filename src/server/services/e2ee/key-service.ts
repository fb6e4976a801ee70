import type { Clock } from '../../../lib/clock.ts';
import { errorFields, type Logger } from '../../../lib/logger.ts';
import type {
  KeyBundle,
  KeyExchangeResponse,
  KeysUploaded,
  RequestKeys,
  UploadKeys,
} from '../../../protocol/encryption.ts';
import { CommError } from '../../../protocol/errors.ts';
import {
  isDepleted,
  preKeyStock,
  publishedKeys,
  replaceKeys,
  takeOneTimePreKey,
  type TakenPreKey,
} from '../../store/queries/keys.ts';
import { isUnavailable } from '../../store/engine/outages.ts';
import type { Store } from '../../store/store.ts';
import { contactsOf, contactsAmong, isKnownTo } from '../../store/queries/users.ts';
import type { Work } from '../../store/engine/work.ts';
import type { KeyLimits } from './key-limits.ts';
import { checkBundle } from './check-bundle.ts';
import type { ContactPolicy } from '../people/contact-policy.ts';
import type { Caller, Broadcaster } from '../ports.ts';
import { conflict } from '../errors.ts';

/** Dependencies of {@link KeyService}. */
export interface KeyServiceDeps {
  readonly store: Store;
  readonly broadcaster: Pick<Broadcaster, 'toUser' | 'toSocket'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly limits: KeyLimits;
  readonly contacts: Pick<ContactPolicy, 'filter'>;
  readonly bundles: KeyBundles;
}

/** Port of the copies of published keys that this process keeps for the app. */
export interface KeyBundles {
  /** Keeps a copy of newly published keys. */
  setKeyBundle(userId: string, bundle: KeyBundle): void;
  /** Removes a one-time prekey that has been handed out. */
  dropOneTimePreKey(userId: string, keyId: number): void;
}

/**
 * Maximum number of contacts that are notified of a changed identity key. Others learn of it when they request the
 * keys.
 */
const MAX_NOTIFIED_CONTACTS = 10_000;

interface Uploaded {
  readonly keyCount: number;
  /** Contacts to notify of a changed identity key. */
  readonly peers: readonly string[];
  readonly changed: boolean;
}

/** Publishes and hands out public keys. Clients don't rely on the server's checks and verify keys themselves. */
export class KeyService {
  readonly #deps: KeyServiceDeps;

  constructor(deps: KeyServiceDeps) {
    this.#deps = deps;
  }

  /**
   * Publishes the caller's keys and replaces the previous ones.
   *
   * @throws CommError `CONFLICT` if `replaces` names another identity key than the stored one, `INVALID`,
   * `RATE_LIMITED`
   */
  async upload(caller: Caller, { replaces, ...bundle }: UploadKeys): Promise<KeysUploaded> {
    const { userId, caps } = caller;
    const { store, clock, limits, bundles } = this.#deps;
    limits.uploads.take(userId);
    checkBundle(bundle);
    const { identityKey } = bundle;
    const published: KeyBundle = { ...bundle, userId, uploadedAt: new Date(clock.now()).toISOString() };
    const work = function* (): Work<Uploaded> {
      const stored = (yield* publishedKeys(userId))?.identityKey;
      const changed = stored !== undefined && stored !== identityKey;
      // An upload whose reply was lost is repeated with the same condition; then the stored key is already the new one.
      if (changed && replaces !== undefined && replaces !== stored)
        throw conflict('replaces does not match the stored identity key');
      const keyCount = yield* replaceKeys(published, caps.has('mailbox'));
      return { keyCount, changed, peers: changed ? yield* contactsOf(userId, MAX_NOTIFIED_CONTACTS) : [] };
    };
    const { keyCount } = await store.write(work, (uploaded) => {
      bundles.setKeyBundle(userId, published);
      this.#announceIdentity(caller, identityKey, uploaded);
    });
    return { userId, keyCount };
  }

  /**
   * Returns the keys of a contact with a one-time prekey, which is handed out once. Without one if the caller is over
   * its limit, if only the reserve is left and the owner doesn't know the caller, or if the caller requests its own keys.
   *
   * @throws CommError `NOT_FOUND`, `RATE_LIMITED`
   */
  async request(caller: Caller, { recipientId }: RequestKeys): Promise<KeyExchangeResponse> {
    const { userId } = caller;
    const { store, limits, bundles, contacts } = this.#deps;
    limits.requests.take(userId);
    const own = recipientId === userId;
    const [allowed] = await contacts.filter(caller, [recipientId]);
    const found = await store.write(
      function* () {
        if (allowed === undefined) return undefined;
        if (!own && !(yield* contactsAmong(userId, [recipientId])).has(recipientId)) return undefined;
        const keys = yield* publishedKeys(recipientId);
        if (keys === undefined) return undefined;
        if (own) return { keys, taken: undefined };
        const isKnown = yield* isKnownTo(recipientId, userId);
        const { left, reserve } = yield* preKeyStock(recipientId);
        const mayTake = left > (isKnown ? 0 : reserve) && limits.tryTakeOneTimePreKey(userId, recipientId, isKnown);
        return { keys, taken: mayTake ? yield* takeOneTimePreKey(recipientId) : undefined };
      },
      (value) => {
        if (value?.taken !== undefined) bundles.dropOneTimePreKey(recipientId, value.taken.preKey.keyId);
        this.#announceDepletion(recipientId, value?.taken);
      },
    );
    // The same error if the user doesn't exist, has no keys or isn't a contact.
    if (found === undefined) throw new CommError('NOT_FOUND', 'No keys found');
    const { identityKey, signedPreKey, signedPreKeySignature, ext } = found.keys;
    return {
      recipientId,
      identityKey,
      signedPreKey,
      signedPreKeySignature,
      ...(found.taken !== undefined && { oneTimePreKey: found.taken.preKey }),
      ...(ext !== undefined && { ext }),
    };
  }

  /**
   * Pushes `encryption:keys-depleted` to a socket that connected after the last one-time prekey before the reserve was
   * taken. Never rejects.
   */
  async connected({ userId, socketId }: Caller): Promise<void> {
    const { store, broadcaster, logger } = this.#deps;
    if (socketId === undefined) return;
    try {
      if (!(await store.read(() => isDepleted(userId)))) return;
      broadcaster.toSocket(socketId, { event: 'encryption:keys-depleted', data: { userId } });
    } catch (error) {
      if (isUnavailable(error)) return;
      logger.warn('failed to push encryption:keys-depleted', errorFields(error));
    }
  }

  #announceIdentity({ userId, socketId }: Caller, identityKey: string, { changed, peers }: Uploaded): void {
    if (!changed) return;
    const { broadcaster } = this.#deps;
    const push = { event: 'encryption:keys-changed', data: { userId, identityKey } } as const;
    for (const peer of peers) broadcaster.toUser(peer, push, { mailbox: true });
    broadcaster.toUser(userId, push, { mailbox: true, exceptSocketId: socketId });
  }

  /** Pushed when the last one-time prekey before the reserve is taken, so once per depletion. */
  #announceDepletion(userId: string, taken: TakenPreKey | undefined): void {
    if (taken !== undefined && taken.stock.left === taken.stock.reserve)
      this.#deps.broadcaster.toUser(userId, { event: 'encryption:keys-depleted', data: { userId } });
  }
}
