import type { MemberPage } from '../protocol/conversations.ts';
import { fields } from './fields.ts';
import { count, list, parseParticipant } from './parse-rows.ts';

/** Parses a page of participants. */
export function parseMembers(value: unknown): MemberPage | undefined {
  const row = fields(value);
  return (
    row && {
      members: list(row['members'], parseParticipant),
      memberCount: count(row['memberCount']) ?? 0,
      hasMore: row['hasMore'] === true,
    }
  );
}
