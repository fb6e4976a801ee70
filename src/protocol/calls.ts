import * as v from 'valibot';
import { idSchema, timeSchema } from './fields.ts';
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
} from './vocabulary.ts';

export interface CallParticipant {
  userId: string;
  joinedAt: string;
  audioMuted: boolean;
  videoMuted: boolean;
  screenSharing: boolean;
  /** On which of their devices; absent for a base client. */
  deviceId?: string | undefined;
  /** That device seals its frames for everybody who does, too. What it says; nobody has vouched for it. */
  mediaEncryption?: boolean | undefined;
}
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
  /** In the order they joined. */
  participants: CallParticipant[];
}
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

/** What the `content` of a `call` message is, as JSON: the row that a call leaves in its conversation. */
export interface CallLog {
  callId: string;
  callType: CallType;
  outcome: CallEndReason;
  /** Seconds from the first answer to the end; 0 when nobody answered. */
  duration: number;
}

/** A client's name for itself, the same over reconnects: by it a device is known that comes back into its call. */
export interface CallDevice {
  deviceId?: string | undefined;
}
/** What a device that takes part says of itself. */
export interface CallSeat extends CallDevice {
  /** It can seal its frames, and has a way for the keys. */
  mediaEncryption?: boolean | undefined;
}
export interface InitiateCall extends CallSeat {
  conversationId: string;
  type: CallType;
  calleeIds: readonly string[];
  /** Asking twice with the same one is calling once. */
  clientId?: string | undefined;
}
export interface RespondToCall extends CallSeat {
  callId: string;
  action: 'accept' | 'reject';
}
export interface HangUp {
  callId: string;
  reason: CallEndReason;
  /** With `failed`. */
  detail?: CallFailure | undefined;
}
export interface CallRef {
  callId: string;
}
/** After a reconnect: the device goes on in its call, and learns how that stands. */
export interface SyncCall extends CallRef, CallDevice {}
/** The values mean "on": `audio: false` is muted. */
export interface ToggleMedia {
  callId: string;
  audio?: boolean | undefined;
  video?: boolean | undefined;
  screenShare?: boolean | undefined;
}
export interface CallMember {
  callId: string;
  userId: string;
}
export interface Signal {
  callId: string;
  /** Set by the server to who really sent it. */
  fromUserId: string;
  toUserId: string;
  /** Set by the server, from what the sender's device called itself. */
  fromDeviceId?: string | undefined;
  toDeviceId?: string | undefined;
  /** Which link between the two devices: a rebuilt one is the next. */
  generation?: number | undefined;
  /** Which offer this belongs to. */
  negotiationId?: string | undefined;
}
export interface SessionDescription extends Signal {
  type: 'offer' | 'answer';
  sdp: string;
  renegotiation?: boolean | undefined;
}
export interface IceCandidate extends Signal {
  candidate: string;
  sdpMLineIndex: number | null;
  sdpMid: string | null;
  /** Which generation of ICE (RFC 8839, section 5.4). */
  usernameFragment?: string | undefined;
}
export type IceRestart = Signal;

export interface CallStateChange {
  callId: string;
  state: CallState;
  endReason?: CallEndReason | undefined;
  /** Another device of the same user has settled it, or what failed. */
  detail?: CallEndDetail | undefined;
  error?: string | undefined;
}
export interface CallParticipantJoined {
  callId: string;
  participant: CallParticipant;
}
export interface MediaChanged extends ToggleMedia {
  userId: string;
}

export const callParticipantSchema = v.object({
  userId: v.string(),
  joinedAt: timeSchema,
  audioMuted: v.boolean(),
  videoMuted: v.boolean(),
  screenSharing: v.boolean(),
  deviceId: v.optional(v.string()),
  mediaEncryption: v.optional(v.boolean()),
}) satisfies v.GenericSchema<unknown, CallParticipant>;
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
  participants: v.array(callParticipantSchema),
}) satisfies v.GenericSchema<unknown, Call>;

export const callLogSchema = v.object({
  callId: v.string(),
  callType: v.picklist(CALL_TYPES),
  outcome: v.picklist(CALL_END_REASONS),
  duration: v.pipe(v.number(), v.minValue(0)),
}) satisfies v.GenericSchema<unknown, CallLog>;

const measure = v.optional(v.pipe(v.number(), v.finite(), v.minValue(0), v.maxValue(1e9)));
export const qualityReportSchema = v.object({
  callId: idSchema,
  userId: v.optional(v.string(), ''),
  rtt: measure,
  packetLoss: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(100))),
  jitter: measure,
  quality: v.picklist(QUALITY_LEVELS),
  availableBandwidth: measure,
}) satisfies v.GenericSchema<unknown, ConnectionQualityReport>;
export const initiateCallSchema = v.object({
  conversationId: idSchema,
  type: v.picklist(CALL_TYPES),
  calleeIds: v.pipe(v.array(idSchema), v.minLength(1), v.maxLength(LIMITS.callees)),
  clientId: v.optional(idSchema),
  deviceId: v.optional(idSchema),
  mediaEncryption: v.optional(v.boolean()),
}) satisfies v.GenericSchema<unknown, InitiateCall>;
export const respondToCallSchema = v.object({
  callId: idSchema,
  action: v.picklist(['accept', 'reject']),
  deviceId: v.optional(idSchema),
  mediaEncryption: v.optional(v.boolean()),
}) satisfies v.GenericSchema<unknown, RespondToCall>;
export const hangUpSchema = v.object({
  callId: idSchema,
  reason: v.optional(v.picklist(CALL_END_REASONS), 'completed'),
  detail: v.optional(v.picklist(CALL_FAILURES)),
}) satisfies v.GenericSchema<unknown, HangUp>;
export const callRefSchema = v.object({ callId: idSchema }) satisfies v.GenericSchema<unknown, CallRef>;
export const syncCallSchema = v.object({
  callId: idSchema,
  deviceId: v.optional(idSchema),
}) satisfies v.GenericSchema<unknown, SyncCall>;
const toggles = {
  callId: idSchema,
  audio: v.optional(v.boolean()),
  video: v.optional(v.boolean()),
  screenShare: v.optional(v.boolean()),
};
export const toggleMediaSchema = v.object(toggles) satisfies v.GenericSchema<unknown, ToggleMedia>;
export const mediaChangedSchema = v.object({ ...toggles, userId: v.string() }) satisfies v.GenericSchema<
  unknown,
  MediaChanged
>;
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
export const offerSchema = v.object({
  ...description,
  type: v.optional(v.literal('offer'), 'offer'),
}) satisfies v.GenericSchema<unknown, SessionDescription>;
export const answerSchema = v.object({
  ...description,
  type: v.optional(v.literal('answer'), 'answer'),
}) satisfies v.GenericSchema<unknown, SessionDescription>;
export const iceCandidateSchema = v.object({
  ...signal,
  candidate: v.pipe(v.string(), v.maxLength(LIMITS.candidateLength)),
  sdpMLineIndex: v.optional(v.nullable(v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(65_535))), null),
  sdpMid: v.optional(v.nullable(v.pipe(v.string(), v.maxLength(64))), null),
  usernameFragment: v.optional(v.pipe(v.string(), v.maxLength(256))),
}) satisfies v.GenericSchema<unknown, IceCandidate>;
export const iceRestartSchema = v.object(signal) satisfies v.GenericSchema<unknown, IceRestart>;
export const callStateChangeSchema = v.object({
  callId: v.string(),
  state: v.picklist(CALL_STATES),
  endReason: v.optional(v.picklist(CALL_END_REASONS)),
  detail: v.optional(v.picklist(CALL_END_DETAILS)),
  error: v.optional(v.string()),
}) satisfies v.GenericSchema<unknown, CallStateChange>;
export const callParticipantJoinedSchema = v.object({
  callId: v.string(),
  participant: callParticipantSchema,
}) satisfies v.GenericSchema<unknown, CallParticipantJoined>;
