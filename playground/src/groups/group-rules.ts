import type { Conversation, Participant } from 'lumen-comm';
import { count } from '../lib/format.ts';

export function isManager(own: Participant | undefined): boolean {
  return own?.role === 'owner' || own?.role === 'admin';
}

/** Formats the pause of the slow mode, such as "5 minutes". */
export function pauseText(seconds: number): string {
  if (seconds % 3_600 === 0) return count(seconds / 3_600, 'hour', 'hours');
  return seconds % 60 === 0 ? count(seconds / 60, 'minute', 'minutes') : count(seconds, 'second', 'seconds');
}

/** Returns what a group allows, in words. */
export function rulesOf({ visibility, frozen, slowModeSeconds = 0 }: Conversation): string[] {
  const rules: string[] = [];
  if (visibility === 'public') rules.push('Public group');
  if (frozen === true) rules.push('Only owner and admins can write');
  if (slowModeSeconds > 0) rules.push(`Slow mode: ${pauseText(slowModeSeconds)}`);
  return rules;
}
