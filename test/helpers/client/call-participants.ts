import type { CallParticipant } from '../../../src/protocol/calls.ts';

/** Creates a participant of a call, unmuted unless told otherwise. */
export function callParticipant(userId: string, fields: Partial<CallParticipant> = {}): CallParticipant {
  return {
    userId,
    joinedAt: '2026-01-01T00:00:00.000Z',
    audioMuted: false,
    videoMuted: false,
    screenSharing: false,
    ...fields,
  };
}
