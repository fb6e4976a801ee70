import { deferred } from '../../lib/deferred.ts';
import { CommError, isCommError } from '../../protocol/errors.ts';
import type { CallKeys } from '../cipher.ts';
import type { ClientContext } from '../context.ts';
import type { MediaKey, MediaKeyPort, PeerId } from './media-backend.ts';
import type { Roster } from './roster.ts';

/** Longer than this no call waits for one's own keys to be published: it goes on without media encryption. */
const WAIT_MS = 5_000;

/** What the keys of a call need of it. */
export interface KeyedCall {
  readonly callId: string;
  readonly self: PeerId;
  readonly roster: () => Roster;
  /** Somebody can't be given the key: nothing is heard or seen of each other then. */
  readonly failed: (error: CommError) => void;
}

/**
 * Makes the keys of calls, where this device has a way for them.
 *
 * @throws CommError why it has none: `E2EE_OTHER_DEVICE`, `E2EE_LOCKED`, `TIMEOUT`
 */
export async function mediaKeys({
  cipher,
  clock,
}: Pick<ClientContext, 'cipher' | 'clock'>): Promise<(call: KeyedCall) => MediaKeyPort> {
  const late = deferred<never>();
  const cancel = clock.after(WAIT_MS, () => late.reject(new CommError('TIMEOUT', 'The keys are not published yet')));
  const ready = async (): Promise<CallKeys> => {
    const keys = await (await cipher?.())?.callKeys();
    if (keys === undefined) throw new CommError('E2EE_NO_KEYS', 'There is no encryption here');
    await keys.ready();
    return keys;
  };
  try {
    const keys = await Promise.race([ready(), late.promise]);
    return (call) => new MediaKeys(keys, call);
  } finally {
    cancel();
  }
}

/**
 * The keys of one call. What comes on the session with somebody is theirs; that it is for this call and from which of
 * their devices they say in it, and it counts only while that device is in the call.
 */
export class MediaKeys implements MediaKeyPort {
  readonly #keys: CallKeys;
  readonly #call: KeyedCall;

  constructor(keys: CallKeys, call: KeyedCall) {
    this.#keys = keys;
    this.#call = call;
  }

  /** Both say so, and what we say has reached the others as far as this server shows it. */
  supports(peer: PeerId): boolean {
    return this.#says(this.#call.self) && this.#says(peer);
  }

  async send(peer: PeerId, key: MediaKey): Promise<void> {
    const { callId, self, failed } = this.#call;
    // Theirs may have come before they did.
    this.#keys.look(peer.userId);
    try {
      await this.#keys.send(peer.userId, aboutOf(callId, self), key);
    } catch (error) {
      failed(isCommError(error) ? error : new CommError('INTERNAL', 'A media key was not sent', { cause: error }));
    }
  }

  onKey(listener: (peer: PeerId, key: MediaKey) => void): () => void {
    const { callId, roster } = this.#call;
    return this.#keys.listen((userId, about, key) => {
      const found = roster().find((each) => each.userId === userId && aboutOf(callId, each) === about);
      if (found === undefined || !this.supports(found)) return false;
      listener({ userId, deviceId: found.deviceId }, key);
      return true;
    });
  }

  #says({ userId, deviceId }: PeerId): boolean {
    const found = this.#call.roster().find((each) => each.userId === userId && each.deviceId === deviceId);
    return deviceId !== undefined && found?.mediaEncryption === true;
  }
}

/** A list, so that no two pairs of ids make the same one. */
function aboutOf(callId: string, { deviceId }: Pick<PeerId, 'deviceId'>): string {
  return JSON.stringify([callId, deviceId]);
}
