import { query, statement, type Params } from '../../engine/statement.ts';
import { all, first, run, type Work } from '../../engine/work.ts';

/** A row of the table `comm_reports`. */
export interface ReportRow {
  id: number;
  conversation_id: string;
  message_id: string;
  sender_id: string;
  reporter_id: string;
  reason: string;
  comment: string | null;
  message: string;
  content: string | null;
  created_at: string;
  resolved_at: string | null;
  resolved_by: string | null;
  resolution: string | null;
}

/** A report to store. */
export type NewReport = Omit<ReportRow, 'id' | 'resolved_at' | 'resolved_by' | 'resolution'>;

const COLUMNS = [
  'id',
  'conversation_id',
  'message_id',
  'sender_id',
  'reporter_id',
  'reason',
  'comment',
  'message',
  'content',
  'created_at',
  'resolved_at',
  'resolved_by',
  'resolution',
] as const;
const reports = query.selectFrom('comm_reports').select(COLUMNS);

const insertReport = statement((p: Params<NewReport>) =>
  query
    .insertInto('comm_reports')
    .values({
      conversation_id: p.conversation_id,
      message_id: p.message_id,
      sender_id: p.sender_id,
      reporter_id: p.reporter_id,
      reason: p.reason,
      comment: p.comment,
      message: p.message,
      content: p.content,
      created_at: p.created_at,
    })
    .onConflict((conflict) => conflict.columns(['reporter_id', 'message_id']).doNothing())
    .returning('id'),
);
const selectReport = statement((p: Params<{ id: number }>) => reports.where('id', '=', p.id));
const selectKnown = statement((p: Params<{ reporterId: string; messageId: string }>) =>
  query
    .selectFrom('comm_reports')
    .select('id')
    .where('reporter_id', '=', p.reporterId)
    .where('message_id', '=', p.messageId),
);
const selectOpen = statement((p: Params<{ after: number; limit: number }>) =>
  reports.where('resolved_at', 'is', null).where('id', '>', p.after).orderBy('id').limit(p.limit),
);
const selectAll = statement((p: Params<{ after: number; limit: number }>) =>
  reports.where('id', '>', p.after).orderBy('id').limit(p.limit),
);
const updateResolved = statement(
  (p: Params<{ id: number; at: string; by: string | null; resolution: string | null }>) =>
    query
      .updateTable('comm_reports')
      .set({ resolved_at: p.at, resolved_by: p.by, resolution: p.resolution })
      .where('id', '=', p.id)
      .where('resolved_at', 'is', null),
);

/** Returns whether the user has reported the message. */
export function* isReported(reporterId: string, messageId: string): Work<boolean> {
  return (yield* first(selectKnown({ reporterId, messageId }))) !== undefined;
}

/** Stores a report. Returns its row, or `undefined` if the user has reported the message before. */
export function* storeReport(report: NewReport): Work<ReportRow | undefined> {
  const inserted = yield* first(insertReport(report));
  return inserted && { ...report, id: inserted.id, resolved_at: null, resolved_by: null, resolution: null };
}

/** Returns a report. */
export function* findReport(id: number): Work<ReportRow | undefined> {
  return yield* first(selectReport({ id }));
}

/** Returns reports after an id, oldest first. */
export function* listReports(
  { open, after }: { readonly open: boolean; readonly after: number },
  limit: number,
): Work<readonly ReportRow[]> {
  return yield* all((open ? selectOpen : selectAll)({ after, limit }));
}

/** Resolves a report; no effect if it is resolved. */
export function* resolveReport(
  id: number,
  resolved: { readonly at: string; readonly by: string | null; readonly resolution: string | null },
): Work<void> {
  yield* run(updateResolved({ id, ...resolved }));
}
