import { sql } from 'kysely';

/**
 * Version of the flags of the participant `p`. Entering a conversation again sets the flags back, so it counts as a change of
 * them: the user's devices may still have those of the time before.
 */
export const ownFlagsRev = sql<number>`max(p.flags_inbox_rev, p.joined_inbox_rev)`;
