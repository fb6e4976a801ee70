import type { CallParticipant } from '../../../protocol/calls.ts';
import type { CallEndReason, CallFailure, CallType } from '../../../protocol/vocabulary.ts';

/** Somebody in a call, on one device. */
export interface Seat extends CallParticipant {
  readonly socketId: string | undefined;
}

/** How somebody who was rung stands. `pending`: it still rings. */
export type Answer = 'pending' | 'accepted' | 'rejected' | 'busy' | 'missed';
export interface Invitation {
  readonly userId: string;
  readonly answer: Answer;
}

/** The server's truth about one call. Never changed in place. Times are milliseconds since the epoch. */
export interface CallRecord {
  readonly id: string;
  readonly conversationId: string;
  readonly type: CallType;
  readonly callerId: string;
  /** What its caller named it by, should they ask again. */
  readonly clientId?: string | undefined;
  readonly state: 'initiating' | 'ringing' | 'connecting' | 'connected' | 'ended';
  readonly startedAt: number;
  readonly answeredAt?: number | undefined;
  readonly endedAt?: number | undefined;
  readonly endReason?: CallEndReason | undefined;
  readonly endDetail?: CallFailure | undefined;
  /** In the order they joined. */
  readonly seats: readonly Seat[];
  /** In the order they were rung. */
  readonly invitations: readonly Invitation[];
}
