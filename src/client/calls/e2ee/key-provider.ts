import { deferred } from '../../../lib/deferred.ts';
import { CommError, isCommError } from '../../../protocol/errors.ts';
import type { CallKeys } from '../../cipher.ts';
import type { ClientContext } from '../../context.ts';
import type { Roster } from '../session/roster.ts';
import type { MediaKey, MediaKeyPort, PeerId } from '../webrtc/media-backend.ts';

/** A call that starts before this device's keys are published waits this long, then continues without encryption. */
const READY_TIMEOUT_MS = 5_000;

/** What a {@link KeyProvider} needs of its call. */
export interface KeyedCall {
  readonly callId: string;
  readonly self: PeerId;
  readonly roster: () => Roster;
  /** Called if a key can't be sent to a participant. Neither side can decrypt the other's media then. */
  readonly onError: (error: CommError) => void;
}

/** Creates the key provider of a call when it is joined. */
export type CreateKeyProvider = (call: KeyedCall) => MediaKeyPort;

/** Loads the factory. Resolves to `undefined` and calls `onError` if frames can't be encrypted; never rejects. */
export type LoadKeyProvider = (onError: (error: CommError) => void) => Promise<CreateKeyProvider | undefined>;

/**
 * Waits until this device can send and receive keys, then returns the factory of key providers.
 *
 * @throws CommError `E2EE_OTHER_DEVICE`, `E2EE_LOCKED`, `E2EE_NO_KEYS`, or `TIMEOUT` after 5 s
 */
export async function loadKeyProvider({
  cipher,
  clock,
}: Pick<ClientContext, 'cipher' | 'clock'>): Promise<CreateKeyProvider> {
  const timeout = deferred<never>();
  const cancel = clock.after(READY_TIMEOUT_MS, () =>
    timeout.reject(new CommError('TIMEOUT', 'Encryption keys were not published within 5 s')),
  );
  const ready = async (): Promise<CallKeys> => {
    const keys = await (await cipher?.())?.callKeys();
    if (keys === undefined) throw new CommError('E2EE_NO_KEYS', 'mediaEncryption requires the option `encryption`');
    await keys.ready();
    return keys;
  };
  try {
    const keys = await Promise.race([ready(), timeout.promise]);
    return (call) => new KeyProvider(keys, call);
  } finally {
    cancel();
  }
}

/**
 * Distributes the media keys of one call over the users' encrypted sessions. The session authenticates the sender; the
 * message names the call and the sending device. A key is accepted only while that device participates in the call.
 */
export class KeyProvider implements MediaKeyPort {
  readonly #keys: CallKeys;
  readonly #call: KeyedCall;

  constructor(keys: CallKeys, call: KeyedCall) {
    this.#keys = keys;
    this.#call = call;
  }

  /** True if both devices announced support in the participant list that the server sent to this device. */
  supports(peer: PeerId): boolean {
    return this.#announcesSupport(this.#call.self) && this.#announcesSupport(peer);
  }

  async send(peer: PeerId, key: MediaKey): Promise<void> {
    const { callId, self, onError } = this.#call;
    // The peer's key may have arrived before the peer was in the participant list.
    this.#keys.look(peer.userId);
    try {
      await this.#keys.send(peer.userId, contextOf(callId, self), key);
    } catch (error) {
      onError(isCommError(error) ? error : new CommError('INTERNAL', 'Sending a media key failed', { cause: error }));
    }
  }

  onKey(listener: (peer: PeerId, key: MediaKey) => void): () => void {
    const { callId, roster } = this.#call;
    return this.#keys.listen((userId, context, key) => {
      const sender = roster().find((each) => each.userId === userId && contextOf(callId, each) === context);
      if (sender === undefined || !this.supports(sender)) return false;
      listener({ userId, deviceId: sender.deviceId }, key);
      return true;
    });
  }

  #announcesSupport({ userId, deviceId }: PeerId): boolean {
    const found = this.#call.roster().find((each) => each.userId === userId && each.deviceId === deviceId);
    return deviceId !== undefined && found?.mediaEncryption === true;
  }
}

/** Returns the call and device that a key belongs to, encoded without ambiguity. */
function contextOf(callId: string, { deviceId }: Pick<PeerId, 'deviceId'>): string {
  return JSON.stringify([callId, deviceId]);
}
