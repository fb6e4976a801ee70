import type { Emitter } from '../../../lib/emitter.ts';
import { CommError, isCommError } from '../../../protocol/errors.ts';
import type { SessionMedia } from '../media/session-media.ts';
import type { SignalingClient } from '../signaling/signaling-client.ts';
import type { ActiveCall, CallHost } from './call-host.ts';
import type { CallSessionEvents } from './call-types.ts';

/** What {@link CallHold} needs of its call. */
export interface HoldableCall {
  readonly controller: ActiveCall & {
    readonly events: Emitter<CallSessionEvents>;
    /** Aborted when the call ends. */
    readonly signal: AbortSignal;
    /** Resolves when the server has confirmed that this device takes part. */
    readonly started: Promise<void>;
    /** @throws CommError `NOT_FOUND` after the call, `CONFLICT` before it was accepted */
    requireMedia(): SessionMedia;
  };
  readonly signaling: Pick<SignalingClient, 'callId' | 'repeat' | 'onConnected'>;
  readonly host: Pick<CallHost, 'context' | 'activeCalls'>;
  /** What this device sends changed, or whether the call is on hold. */
  readonly onChanged: () => void;
}

type Device = 'mic' | 'camera';
const DEVICES: readonly Device[] = ['mic', 'camera'];

/**
 * Puts a call on hold and takes it up again. Meanwhile this device sends nothing and plays nothing; the other participants
 * send nothing to it, because the server tells them.
 */
export class CallHold {
  readonly #call: HoldableCall;
  /** Devices to turn on when the call is taken up. */
  readonly #on = new Set<Device>();
  /** Received tracks to enable when the call is taken up. */
  readonly #silenced = new Set<MediaStreamTrack>();
  #isOnHold = false;
  #queue: Promise<unknown> = Promise.resolve();
  #listening = new AbortController();

  constructor(call: HoldableCall) {
    if (!call.host.context.has('call-waiting')) {
      throw new CommError('UNSUPPORTED', 'The server does not support calls on hold');
    }
    this.#call = call;
    // The server may have lost the state in a restart. A request that is pending is repeated before this.
    call.signaling.onConnected(() => {
      const repeated = this.#enqueue(() => this.#request(this.#isOnHold));
      // Refused if the call has ended, or the user has taken up another one elsewhere.
      repeated.catch(() => undefined);
    });
  }

  /** True from the request to put the call on hold until the server has confirmed that it is taken up. */
  get isOnHold(): boolean {
    return this.#isOnHold;
  }

  /**
   * Puts the call on hold, or takes it up, once this device takes part in it. Requests are performed in order.
   *
   * @throws CommError of the server; `NOT_FOUND` after the call, `CONFLICT` before it was accepted
   */
  set(on: boolean): Promise<void> {
    const { controller } = this.#call;
    controller.requireMedia();
    return this.#enqueue(async () => {
      await controller.started;
      await (on ? this.#hold() : this.#resume());
    });
  }

  /** Sets whether a device is on once the call is taken up. */
  async setEnabled(device: Device, on: boolean): Promise<void> {
    if (on) this.#on.add(device);
    else this.#on.delete(device);
  }

  /** A screen would be sent to participants whom this device doesn't hear. @throws CommError `CONFLICT` */
  async shareScreen(): Promise<void> {
    throw new CommError('CONFLICT', 'The call is on hold', { fix: 'Call `setHold(false)` first.' });
  }

  #enqueue(task: () => Promise<void>): Promise<void> {
    const done = this.#queue.then(task);
    this.#queue = done.catch(() => undefined);
    return done;
  }

  async #hold(): Promise<void> {
    if (this.#isOnHold) return;
    const { controller, onChanged } = this.#call;
    const { local } = controller.requireMedia();
    this.#isOnHold = true;
    this.#on.clear();
    // Also a device that is still opening.
    for (const device of DEVICES) if (local.isEnabled?.(device) ?? local.isSending(device)) this.#on.add(device);
    local.stopScreenShare();
    this.#silence();
    onChanged();
    const turnedOff = Promise.all(
      DEVICES.map(async (device) => {
        const isSending = local.isSending(device);
        const done = local.setEnabled(device, false).catch(() => undefined);
        // A device that is still opening is turned off once it has opened, for which the browser may ask the user.
        if (isSending) await done;
      }),
    );
    try {
      await this.#request(true);
    } catch (error) {
      await this.#restore();
      throw error;
    }
    await turnedOff;
  }

  async #resume(): Promise<void> {
    if (!this.#isOnHold) return;
    const { controller, host } = this.#call;
    const others = host.activeCalls().filter((each) => each !== controller);
    try {
      await Promise.all(others.map(holdUnlessEnded));
      await this.#request(false);
    } catch (error) {
      await Promise.allSettled(others.map((other) => other.setHold(false)));
      throw error;
    }
    await this.#restore();
  }

  /** @throws CommError `BUSY` if the user is in another call, which is not on hold */
  async #request(onHold: boolean): Promise<void> {
    const { controller, signaling, host } = this.#call;
    const { signal } = controller;
    const request = { callId: signaling.callId, onHold };
    await signaling.repeat(signal, () => host.context.requester.request('call:media-toggle', request, { signal }));
  }

  /** Silences the others at once, and those who don't know that the call is on hold. */
  #silence(): void {
    const { events, signal: end } = this.#call.controller;
    const { backend, snapshot } = this.#call.controller.requireMedia();
    const disable = (...tracks: readonly MediaStreamTrack[]): void => {
      for (const track of tracks) {
        if (track.enabled) this.#silenced.add(track);
        track.enabled = false;
      }
    };
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    const stopTracks = backend.on('track', ({ track }) => disable(track));
    events.on('stream', ({ stream }) => disable(...stream.getTracks()), { signal });
    signal.addEventListener('abort', stopTracks);
    end.addEventListener('abort', () => this.#listening.abort(), { signal });
    const streams = [...snapshot.remoteStreams.values(), ...snapshot.remoteScreens.values()];
    disable(...streams.flatMap((stream) => stream.getTracks()));
  }

  /** A device that can't be opened is reported by its event `failed`. */
  async #restore(): Promise<void> {
    const { controller, onChanged } = this.#call;
    if (controller.signal.aborted) return;
    this.#isOnHold = false;
    this.#listening.abort();
    for (const track of this.#silenced) track.enabled = true;
    this.#silenced.clear();
    onChanged();
    const { local } = controller.requireMedia();
    await Promise.allSettled(Array.from(this.#on, (device) => local.setEnabled(device, true)));
  }
}

/** A call that ends meanwhile needs no hold. */
async function holdUnlessEnded(call: ActiveCall): Promise<void> {
  try {
    await call.setHold(true);
  } catch (error) {
    if (!call.isEnded && !(isCommError(error) && error.code === 'NOT_FOUND')) throw error;
  }
}
