import type { AbortOptions } from '../../../lib/abort.ts';
import { lazy, lazyMethods, type Lazy } from '../../../lib/lazy.ts';
import type { Observable, ObservableValue } from '../../../lib/observable.ts';
import type { ClientContext } from '../../context.ts';
import type { CallMedia } from '../webrtc/media-backend.ts';
import type { CallManager } from './call-manager.ts';
import type { CallOptions, CallSession, CurrentCalls, JoinMedia, MediaPreview, StartCall } from './call-types.ts';

/** Returns the call manager, which is loaded with the first call and reports its calls to `current`. */
export function lazyCallManager(
  context: ClientContext,
  current: ObservableValue<CurrentCalls>,
  options: CallOptions | undefined,
): Lazy<CallManager> {
  return lazy(async () => new (await import('./call-manager.ts')).CallManager(context, current, options));
}

/** Audio and video calls. */
export interface CallsClient {
  /** The call of this device and the one that rings, wherever in the app they were started or accepted. */
  readonly current: Observable<CurrentCalls>;

  /** The call that this device takes part in, otherwise one on hold, otherwise a ringing call. */
  readonly active: CallSession | undefined;

  /** All calls of this device that have not ended: the active one, those on hold, then those that ring. */
  readonly all: readonly CallSession[];

  /**
   * Calls members of a conversation. Opens microphone and camera before anyone is called. If a callee is calling this user
   * in the same conversation, that call is accepted instead.
   *
   * @returns when the server has created the call, which may have ended already (`busy`). `active` is set before that, so
   * that the call can be cancelled
   * @throws CommError `MEDIA_DENIED`, `MEDIA_UNAVAILABLE`, `BUSY` (another call is active), `NOT_FOUND`, `DISCONNECTED`,
   * `UNSUPPORTED` (no WebRTC). Aborting cancels the call.
   */
  start(request: StartCall, options?: AbortOptions): Promise<CallSession>;

  /**
   * Joins the running call of a conversation (`conversation.activeCall`), also after declining or leaving it or reloading the
   * page. If another device of the user takes part in it, the call moves here and ends there with the detail `moved`.
   *
   * @param media - by default the microphone
   * @returns the call, also if this device is in it already
   * @throws CommError as `start()`; `NOT_FOUND` if no call is running, `BUSY` also if the call is full
   */
  join(conversationId: string, media?: JoinMedia, options?: AbortOptions): Promise<CallSession>;

  /**
   * Opens microphone and camera before a call, to show them and to choose devices. Pass the preview to `start()`,
   * `accept()` or `join()`, or call its `stop()`. Without a usable camera only the microphone is opened, and `error` of the
   * snapshot says why. `disconnect()` stops it.
   *
   * @param media - by default microphone and camera
   * @throws CommError `MEDIA_DENIED`, `MEDIA_UNAVAILABLE`, `UNSUPPORTED` (no WebRTC)
   */
  preview(media?: CallMedia, options?: AbortOptions): Promise<MediaPreview>;

  /** Lists microphones, cameras and speakers. Labels are empty until the user has allowed access to a device. */
  devices(): Promise<MediaDeviceInfo[]>;
}

/** Creates the part of the client that an app calls. */
export function createCallsClient(manager: Lazy<CallManager>, current: Observable<CurrentCalls>): CallsClient {
  return {
    ...lazyMethods(manager, ['start', 'join', 'preview', 'devices']),
    current,
    get active() {
      return this.all[0];
    },
    get all() {
      return manager.current?.all ?? [];
    },
  };
}
