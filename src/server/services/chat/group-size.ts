import { invalid } from '../errors.ts';
import type { ServerLimits } from '../limits/server-limits.ts';

/** Requires that a conversation has room for this many participants. @throws CommError `INVALID` */
export function requireGroupSize(participants: number, { groupSize }: Pick<ServerLimits, 'groupSize'>): void {
  if (participants > groupSize) throw invalid(`A conversation can have at most ${groupSize} participants`);
}
