import { readId } from '../../transport/rows.ts';
import type { CallCore } from './call-core.ts';
import { readParticipant, readSignal, readStateChange } from './read-calls.ts';
import { toggled, withoutParticipant, withParticipant } from './roster.ts';

type Row = Readonly<Record<string, unknown>>;

/** Takes in what the server pushes about one call. What makes no sense does nothing. */
export function applyPush(core: CallCore, event: string, row: Row): void {
  if (core.isOver) return;
  switch (event) {
    case 'call:state-changed':
      return stateChanged(core, row);
    case 'call:participant-joined': {
      const participant = readParticipant(row['participant']);
      if (participant === undefined || participant.userId === core.userId) return;
      core.members.set(withParticipant(core.members.roster, participant));
      core.emitter.emit('participant-joined', participant);
      // The first that joins has answered.
      if (core.machine.direction === 'outgoing') core.answered();
      return;
    }
    case 'call:participant-left': {
      const userId = readId(row['userId']);
      if (userId === undefined || userId === core.userId) return;
      core.members.set(withoutParticipant(core.members.roster, userId));
      return core.emitter.emit('participant-left', { userId });
    }
    case 'call:media-changed':
      return mediaChanged(core, row);
    default: {
      const signal = readSignal(event, row);
      if (signal !== undefined && signal.from.userId !== core.userId) core.signalled(signal);
    }
  }
}

function stateChanged(core: CallCore, row: Row): void {
  const change = readStateChange(row);
  if (change === undefined || change.error !== undefined) return;
  const { state, endReason = 'completed', detail } = change;
  if (state === 'ended') return core.step({ type: 'ended', reason: endReason, detail });
  if (state === 'ringing') return core.step({ type: 'ringing' });
  // To a caller somebody's joining says it, and with it who has.
  if (state.startsWith('connect') && core.machine.direction === 'incoming') core.answered();
}

function mediaChanged(core: CallCore, row: Row): void {
  const userId = readId(row['userId']);
  if (userId === undefined || userId === core.userId) return;
  const media: { audio?: boolean; video?: boolean; screenShare?: boolean } = {};
  for (const key of ['audio', 'video', 'screenShare'] as const) {
    const on = row[key];
    if (typeof on === 'boolean') media[key] = on;
  }
  core.members.set(toggled(core.members.roster, userId, media));
  core.emitter.emit('media-changed', Object.freeze({ callId: core.line.id, userId, ...media }));
}
