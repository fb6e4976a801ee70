import type { CommError } from '../../protocol/errors.ts';
import type { CallType } from '../../protocol/vocabulary.ts';
import type { ClientContext } from '../context.ts';
import type { CallOptions } from './call-types.ts';
import type { IceConfig, MediaKeyPort, MediaPlatform } from './media-backend.ts';
import type { KeyedCall } from './media-keys.ts';

/** The keys of one call, from when it is joined. */
export type MakeKeys = (call: KeyedCall) => MediaKeyPort;

/** What a call needs of the desk and of the client. */
export interface CallPorts {
  readonly context: ClientContext;
  readonly platform: MediaPlatform;
  readonly options: CallOptions;
  readonly deviceId: string;
  readonly iceServers: () => Promise<IceConfig>;
  /** Absent: frames are not sealed here. `failed` is told why they can't be, although the app wants it. Never rejects. */
  readonly mediaKeys?: ((failed: (error: CommError) => void) => Promise<MakeKeys | undefined>) | undefined;
  /** @throws CommError `BUSY` when another call goes on here */
  requireFree(): void;
  /** It is over and nothing is owed to the server: both are true from now on, or one of them has become so. */
  settled(): void;
  /** No answer is waited for any more: what was pushed meanwhile can be taken in. */
  inStep(): void;
}

/** What is known of a call before it begins. */
export interface CallDetails {
  readonly conversationId: string;
  readonly type: CallType;
  readonly callerId: string;
  /** For a call that is made here. */
  readonly calleeIds: readonly string[];
}
