import * as v from 'valibot';
import { idSchema, timeSchema } from './common-schemas.ts';
import { LIMITS } from './limits.ts';
import {
  CALL_END_DETAILS,
  CALL_END_REASONS,
  CALL_FAILURES,
  CALL_STATES,
  CALL_TYPES,
  QUALITY_LEVELS,
  type CallEndDetail,
  type CallEndReason,
  type CallFailure,
  type CallState,
  type CallType,
  type QualityLevel,
} from './constants.ts';

/** A user who takes part in a call. */
export interface CallParticipant {
  userId: string;
  joinedAt: string;
  audioMuted: boolean;
  videoMuted: boolean;
  screenSharing: boolean;
  /** The device that takes part; absent for base clients. */
  deviceId?: string | undefined;
  /** Whether the device encrypts media frames for participants that also do. Reported by the device, not authenticated. */
  mediaEncryption?: boolean | undefined;
  /** The participant has put the call on hold to take another one. */
  onHold?: boolean | undefined;
}
/** A call as the server knows it. Times are ISO 8601. */
export interface Call {
  id: string;
  conversationId: string;
  type: CallType;
  state: CallState;
  callerId: string;
  calleeIds: string[];
  startedAt?: string | undefined;
  answeredAt?: string | undefined;
  endedAt?: string | undefined;
  endReason?: CallEndReason | undefined;
  /** Further details of `endReason`, in the answer to `call:sync`. */
  detail?: CallEndDetail | undefined;
  /** Set in `call:incoming` if the user is in another call: the call rings as waiting. */
  waiting?: boolean | undefined;
  /** In the order they joined. */
  participants: CallParticipant[];
}
/** A running call of a conversation, as all members see it. */
export interface ActiveCall {
  id: string;
  type: CallType;
  startedAt: string;
  /** In the order they joined. */
  participantIds: string[];
}
/** Measured quality of a participant's connection. */
export interface ConnectionQualityReport {
  callId: string;
  userId: string;
  /** Milliseconds. */
  rtt?: number | undefined;
  /** Percent, 0 to 100. */
  packetLoss?: number | undefined;
  /** Milliseconds. */
  jitter?: number | undefined;
  quality: QualityLevel;
  /** kbit/s. */
  availableBandwidth?: number | undefined;
}

/** The JSON `content` of the `call` message that a finished call leaves in its conversation. */
export interface CallLog {
  callId: string;
  callType: CallType;
  outcome: CallEndReason;
  /** Seconds from the first answer to the end; 0 if the call was not answered. */
  duration: number;
}

/** Identifies a device across reconnects, so that it can resume its call. */
export interface CallDevice {
  deviceId?: string | undefined;
}
/** Properties of a device that takes part in a call. */
export interface CallSeat extends CallDevice {
  /** Whether the device can encrypt media frames and exchange their keys. */
  mediaEncryption?: boolean | undefined;
  /** Whether the microphone is on. @defaultValue true */
  audio?: boolean | undefined;
  /** Whether the camera is on. @defaultValue true in a video call, false in an audio call */
  video?: boolean | undefined;
}
/** Starts a call. Idempotent if it has a `clientId`. */
export interface InitiateCall extends CallSeat {
  conversationId: string;
  type: CallType;
  calleeIds: readonly string[];
  /** A repeated id is answered with the call already started. */
  clientId?: string | undefined;
}
/** Accepts or rejects a call. */
export interface RespondToCall extends CallSeat {
  callId: string;
  action: 'accept' | 'reject';
}
/**
 * Joins the running call of a conversation. If another device of the caller takes part in it, this device takes its place
 * and the other one gets `ended` with the detail `moved`.
 */
export interface JoinCall extends CallSeat {
  conversationId: string;
}
/** Leaves or ends a call. */
export interface HangUp {
  callId: string;
  reason: CallEndReason;
  /** Set if `reason` is `failed`. */
  detail?: CallFailure | undefined;
}
/** Identifies a call. */
export interface CallRef {
  callId: string;
}
/** Resumes a device's call after a reconnect and requests its current state. */
export interface SyncCall extends CallRef, CallDevice {}
/** Reports which media a participant sends. `true` means on: `audio: false` is muted. Absent fields are unchanged. */
export interface ToggleMedia {
  callId: string;
  audio?: boolean | undefined;
  video?: boolean | undefined;
  screenShare?: boolean | undefined;
  /** A user can be in a second call while the first one is on hold. */
  onHold?: boolean | undefined;
}
/** A STUN or TURN server, as `RTCPeerConnection` takes it. */
export interface IceServer {
  urls: string[];
  username?: string | undefined;
  credential?: string | undefined;
}
/** Answer to `call:ice-servers`. */
export interface IceServers {
  iceServers: IceServer[];
  /** Number of seconds for which the credentials are valid; absent if there are none. */
  ttlSeconds?: number | undefined;
}
/** Identifies a participant of a call. */
export interface CallMember {
  callId: string;
  userId: string;
}
/** Addresses of a signaling message between two devices. */
export interface Signal {
  callId: string;
  /** Set by the server to the authenticated sender. */
  fromUserId: string;
  toUserId: string;
  /** Set by the server to the device id that the sender registered. */
  fromDeviceId?: string | undefined;
  toDeviceId?: string | undefined;
  /** Number of the peer connection between the two devices; incremented when it is rebuilt. */
  generation?: number | undefined;
  /** Id of the offer that the message belongs to. */
  negotiationId?: string | undefined;
}
/** An SDP offer or answer. */
export interface SessionDescription extends Signal {
  type: 'offer' | 'answer';
  sdp: string;
  renegotiation?: boolean | undefined;
}
/** An ICE candidate. */
export interface IceCandidate extends Signal {
  candidate: string;
  sdpMLineIndex: number | null;
  sdpMid: string | null;
  /** ICE username fragment, which identifies the ICE generation (RFC 8839, section 5.4). */
  usernameFragment?: string | undefined;
}
/** Requests an ICE restart from the peer. */
export type IceRestart = Signal;

/** Reports a new state of a call. */
export interface CallStateChange {
  callId: string;
  state: CallState;
  endReason?: CallEndReason | undefined;
  /** Set if another device of the user answered or rejected the call, or if a device failed. */
  detail?: CallEndDetail | undefined;
  error?: string | undefined;
}
/** Reports a participant who joined. */
export interface CallParticipantJoined {
  callId: string;
  participant: CallParticipant;
}
/** Reports which media another participant sends. */
export interface MediaChanged extends ToggleMedia {
  userId: string;
}

/** Validates {@link CallParticipant}. */
export const callParticipantSchema = v.object({
  userId: v.string(),
  joinedAt: timeSchema,
  audioMuted: v.boolean(),
  videoMuted: v.boolean(),
  screenSharing: v.boolean(),
  deviceId: v.optional(v.string()),
  mediaEncryption: v.optional(v.boolean()),
  onHold: v.optional(v.boolean()),
}) satisfies v.GenericSchema<unknown, CallParticipant>;
/** Validates {@link Call}. */
export const callSchema = v.object({
  id: v.string(),
  conversationId: v.string(),
  type: v.picklist(CALL_TYPES),
  state: v.picklist(CALL_STATES),
  callerId: v.string(),
  calleeIds: v.array(v.string()),
  startedAt: v.optional(timeSchema),
  answeredAt: v.optional(timeSchema),
  endedAt: v.optional(timeSchema),
  endReason: v.optional(v.picklist(CALL_END_REASONS)),
  detail: v.optional(v.picklist(CALL_END_DETAILS)),
  waiting: v.optional(v.boolean()),
  participants: v.array(callParticipantSchema),
}) satisfies v.GenericSchema<unknown, Call>;
/** Validates {@link ActiveCall}. */
export const activeCallSchema = v.object({
  id: v.string(),
  type: v.picklist(CALL_TYPES),
  startedAt: timeSchema,
  participantIds: v.array(v.string()),
}) satisfies v.GenericSchema<unknown, ActiveCall>;

/** Validates {@link CallLog}. */
export const callLogSchema = v.object({
  callId: v.string(),
  callType: v.picklist(CALL_TYPES),
  outcome: v.picklist(CALL_END_REASONS),
  duration: v.pipe(v.number(), v.minValue(0)),
}) satisfies v.GenericSchema<unknown, CallLog>;

const measure = v.optional(v.pipe(v.number(), v.finite(), v.minValue(0), v.maxValue(1e9)));
/** Validates {@link ConnectionQualityReport}. */
export const qualityReportSchema = v.object({
  callId: idSchema,
  userId: v.optional(v.string(), ''),
  rtt: measure,
  packetLoss: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(100))),
  jitter: measure,
  quality: v.picklist(QUALITY_LEVELS),
  availableBandwidth: measure,
}) satisfies v.GenericSchema<unknown, ConnectionQualityReport>;
const seat = {
  deviceId: v.optional(idSchema),
  mediaEncryption: v.optional(v.boolean()),
  audio: v.optional(v.boolean()),
  video: v.optional(v.boolean()),
};
/** Validates {@link InitiateCall}. */
export const initiateCallSchema = v.object({
  conversationId: idSchema,
  type: v.picklist(CALL_TYPES),
  calleeIds: v.pipe(v.array(idSchema), v.minLength(1), v.maxLength(LIMITS.callees)),
  clientId: v.optional(idSchema),
  ...seat,
}) satisfies v.GenericSchema<unknown, InitiateCall>;
/** Validates {@link RespondToCall}. */
export const respondToCallSchema = v.object({
  callId: idSchema,
  action: v.picklist(['accept', 'reject']),
  ...seat,
}) satisfies v.GenericSchema<unknown, RespondToCall>;
/** Validates {@link JoinCall}. */
export const joinCallSchema = v.object({ conversationId: idSchema, ...seat }) satisfies v.GenericSchema<
  unknown,
  JoinCall
>;
/** Validates {@link HangUp}. */
export const hangUpSchema = v.object({
  callId: idSchema,
  reason: v.optional(v.picklist(CALL_END_REASONS), 'completed'),
  detail: v.optional(v.picklist(CALL_FAILURES)),
}) satisfies v.GenericSchema<unknown, HangUp>;
/** Validates {@link CallRef}. */
export const callRefSchema = v.object({ callId: idSchema }) satisfies v.GenericSchema<unknown, CallRef>;
/** Validates {@link SyncCall}. */
export const syncCallSchema = v.object({
  callId: idSchema,
  deviceId: v.optional(idSchema),
}) satisfies v.GenericSchema<unknown, SyncCall>;
const toggles = {
  callId: idSchema,
  audio: v.optional(v.boolean()),
  video: v.optional(v.boolean()),
  screenShare: v.optional(v.boolean()),
  onHold: v.optional(v.boolean()),
};
/** Validates {@link ToggleMedia}. */
export const toggleMediaSchema = v.object(toggles) satisfies v.GenericSchema<unknown, ToggleMedia>;
/** Validates {@link MediaChanged}. */
export const mediaChangedSchema = v.object({ ...toggles, userId: v.string() }) satisfies v.GenericSchema<
  unknown,
  MediaChanged
>;
/** Validates {@link IceServers}. */
export const iceServersSchema = v.object({
  iceServers: v.array(
    v.object({
      urls: v.array(v.string()),
      username: v.optional(v.string()),
      credential: v.optional(v.string()),
    }),
  ),
  ttlSeconds: v.optional(v.number()),
}) satisfies v.GenericSchema<unknown, IceServers>;
/** Validates {@link CallMember}. */
export const callMemberSchema = v.object({ callId: idSchema, userId: idSchema }) satisfies v.GenericSchema<
  unknown,
  CallMember
>;
const signal = {
  callId: idSchema,
  fromUserId: v.optional(v.string(), ''),
  toUserId: idSchema,
  fromDeviceId: v.optional(idSchema),
  toDeviceId: v.optional(idSchema),
  generation: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(0))),
  negotiationId: v.optional(idSchema),
};
const description = {
  ...signal,
  sdp: v.pipe(v.string(), v.maxLength(LIMITS.sdpLength)),
  renegotiation: v.optional(v.boolean()),
};
/** Validates {@link SessionDescription}. */
export const offerSchema = v.object({
  ...description,
  type: v.optional(v.literal('offer'), 'offer'),
}) satisfies v.GenericSchema<unknown, SessionDescription>;
/** Validates {@link SessionDescription}. */
export const answerSchema = v.object({
  ...description,
  type: v.optional(v.literal('answer'), 'answer'),
}) satisfies v.GenericSchema<unknown, SessionDescription>;
/** Validates {@link IceCandidate}. */
export const iceCandidateSchema = v.object({
  ...signal,
  candidate: v.pipe(v.string(), v.maxLength(LIMITS.candidateLength)),
  sdpMLineIndex: v.optional(v.nullable(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(65_535))), null),
  sdpMid: v.optional(v.nullable(v.pipe(v.string(), v.maxLength(64))), null),
  usernameFragment: v.optional(v.pipe(v.string(), v.maxLength(256))),
}) satisfies v.GenericSchema<unknown, IceCandidate>;
/** Validates {@link IceRestart}. */
export const iceRestartSchema = v.object(signal) satisfies v.GenericSchema<unknown, IceRestart>;
/** Validates {@link CallStateChange}. */
export const callStateChangeSchema = v.object({
  callId: v.string(),
  state: v.picklist(CALL_STATES),
  endReason: v.optional(v.picklist(CALL_END_REASONS)),
  detail: v.optional(v.picklist(CALL_END_DETAILS)),
  error: v.optional(v.string()),
}) satisfies v.GenericSchema<unknown, CallStateChange>;
/** Validates {@link CallParticipantJoined}. */
export const callParticipantJoinedSchema = v.object({
  callId: v.string(),
  participant: callParticipantSchema,
}) satisfies v.GenericSchema<unknown, CallParticipantJoined>;
