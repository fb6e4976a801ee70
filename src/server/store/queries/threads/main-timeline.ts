import { sql, type RawBuilder } from 'kysely';

/** `seq` of the last message in the main timeline of the conversation `c`, which must be in scope. */
export const lastMainSeq: RawBuilder<number> = sql<number>`iif(c.side_start is null, c.seq, coalesce((
  select m.seq from messages as m
  where m.conversation_id = c.id and m.side = 0 and m.side_seq > 0 order by m.seq desc limit 1
), c.side_start - 1))`;
