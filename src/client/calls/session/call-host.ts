import type { Call } from '../../../protocol/calls.ts';
import type { ClientContext } from '../../context.ts';
import type { LoadKeyProvider } from '../e2ee/key-provider.ts';
import type { HandedMedia } from '../media/session-media.ts';
import type { IceConfig, MediaPlatform } from '../webrtc/media-backend.ts';
import type { CallOptions, MediaPreview } from './call-types.ts';

/** A call in which this device is. */
export interface ActiveCall {
  readonly isEnded: boolean;
  /** Puts the call on hold, or takes it up. @throws CommError of the server */
  setHold(on: boolean): Promise<void>;
}

/** What `CallController` needs of the call manager. */
export interface CallHost {
  readonly context: ClientContext;
  readonly platform: MediaPlatform;
  readonly options: CallOptions;
  readonly deviceId: string;
  readonly iceServers: () => Promise<IceConfig>;
  /** Absent if the option `mediaEncryption` is off or the platform doesn't support it. */
  readonly loadKeyProvider?: LoadKeyProvider | undefined;
  /** Returns the calls in which this device is, except those on hold. */
  activeCalls(): readonly ActiveCall[];
  /** Takes the media of a preview. @throws TypeError if it isn't an open preview of this client */
  takePreview(preview: MediaPreview): HandedMedia;
  /** @throws CommError `BUSY` if another call is active */
  assertNotBusy(): void;
  /** Called after the snapshot of the call has changed. */
  onChanged(): void;
  /** Called when the call has ended, and when its final request was answered. */
  onSettled(): void;
  /** Called when a reply arrived, after which queued pushes can be processed. */
  onReply(): void;
}

/** What is known of a call before it starts. `calleeIds` is only used for outgoing calls. */
export type CallDetails = Pick<Call, 'conversationId' | 'type' | 'callerId' | 'calleeIds' | 'waiting'>;
