import type { AbortOptions } from '../../lib/abort.ts';
import { lazy, type Lazy } from '../../lib/lazy.ts';
import type { ClientContext } from '../context.ts';
import type { CallDesk } from './call-desk.ts';
import type { CallMedia } from './media-backend.ts';
import type { CallOptions, CallSession, StartCall } from './call-types.ts';

/** Audio and video calls. What makes them is loaded with the first one. */
export class CallsClient {
  /** @internal */
  readonly desk: Lazy<CallDesk>;

  constructor(context: ClientContext, options: CallOptions = {}) {
    this.desk = lazy(async () => {
      const { CallDesk: Desk } = await import('./call-desk.ts');
      return new Desk(context, options);
    });
  }

  /** The call that goes on here, else one that rings. */
  get active(): CallSession | undefined {
    return this.desk.current?.active;
  }

  /**
   * Calls people of a conversation. Microphone and camera are asked for first: nobody is rung by somebody who can't talk.
   * Where one of them is calling here already, that call is answered.
   *
   * @returns when the server has taken the call; it may have ended by then (`busy`). `active` has it before that, so that
   * it can be given up
   * @throws CommError `MEDIA_DENIED`, `MEDIA_UNAVAILABLE`, `BUSY` (a call goes on here), `NOT_FOUND`, `DISCONNECTED`,
   * `UNSUPPORTED` (no WebRTC, as in Node). Aborting gives the call up.
   */
  async start(request: StartCall, options?: AbortOptions): Promise<CallSession> {
    return (await this.desk()).start(request, options);
  }

  /** Goes into a call that one has left or missed, and that goes on. @throws as `start()` */
  async join(callId: string, media?: CallMedia, options?: AbortOptions): Promise<CallSession> {
    return (await this.desk()).join(callId, media, options);
  }

  /** Microphones, cameras and speakers; without names until the user has allowed one. */
  async devices(): Promise<MediaDeviceInfo[]> {
    return (await this.desk()).devices();
  }
}
