import type { Participant } from 'lumen-comm';
import { LIMITS } from 'lumen-comm/protocol';
import { nameOf } from '../lib/people.ts';

/** Returns the participants whose name follows an @ in the text. */
export function mentionsIn(text: string, participants: readonly Participant[]): string[] {
  const lower = text.toLowerCase();
  const isMentioned = ({ userId }: Participant): boolean => {
    const mark = markOf(userId).toLowerCase();
    for (let at = lower.indexOf(mark); at >= 0; at = lower.indexOf(mark, at + 1)) {
      if (!/[\p{L}\p{N}]/u.test(lower.charAt(at + mark.length))) return true;
    }
    return false;
  };
  return participants
    .filter(isMentioned)
    .map(({ userId }) => userId)
    .slice(0, LIMITS.mentions);
}

/** Returns how a user is mentioned in a text. */
export function markOf(userId: string): string {
  return `@${nameOf(userId)}`;
}
