import { errorFields } from '../../../lib/logger.ts';
import type { ReportMessage } from '../../../protocol/moderation.ts';
import { messageSchema, type Message } from '../../../protocol/messages.ts';
import type { Report } from '../../hooks.ts';
import type { Work } from '../../store/engine/work.ts';
import {
  findReport,
  isReported,
  listReports,
  resolveReport,
  storeReport,
  type ReportRow,
} from '../../store/queries/moderation/reports.ts';
import { isoTime, parsed, toMessage, wireId, type MessageRow } from '../../store/queries/rows.ts';
import { askHook } from '../ask-hook.ts';
import { messageFor } from '../chat/message-access.ts';
import { notFound } from '../errors.ts';
import type { Caller } from '../ports.ts';
import { isoNow, type ServiceDeps } from '../service-deps.ts';

const HOOK_TIMEOUT_MS = 2_000;
const PAGE = 50;
const MAX_PAGE = 200;

/** Selects a page of reports. */
export interface ListReports {
  /** `open`: not resolved. @defaultValue 'open' */
  readonly state?: 'open' | 'all' | undefined;
  /** Id of the last report of the previous page. */
  readonly after?: string | undefined;
  /** At most 200. @defaultValue 50 */
  readonly limit?: number | undefined;
}

/** How a report was dealt with. */
export interface Resolution {
  /** Id of the moderator. */
  readonly by?: string | undefined;
  /** What was done about it, in the app's own terms. */
  readonly resolution?: string | undefined;
}

/** Stores reports about messages, and lists them for the app's moderators. */
export class ReportService {
  readonly #deps: ServiceDeps;

  constructor(deps: ServiceDeps) {
    this.#deps = deps;
  }

  /**
   * Stores a report with a copy of the message as the server has it. A repeated report of the same user and message changes
   * nothing.
   *
   * @throws CommError `NOT_FOUND`, `INVALID` for an own message, `RATE_LIMITED`
   */
  async report(caller: Caller, request: ReportMessage): Promise<void> {
    const { store, budgets, clock } = this.#deps;
    const { userId: reporterId } = caller;
    const work = function* (): Work<ReportRow | undefined> {
      const row = yield* messageFor(reporterId, request, 'report');
      const messageId = wireId(row);
      if (yield* isReported(reporterId, messageId)) return undefined;
      const message = JSON.stringify(copyOf(row));
      const { reason, comment = null, content = null } = request;
      budgets.chargeReport(
        caller,
        Buffer.byteLength(message) + Buffer.byteLength(reason + (comment ?? '') + (content ?? '')),
      );
      return yield* storeReport({
        conversation_id: row.conversation_id,
        message_id: messageId,
        sender_id: row.sender_id,
        reporter_id: reporterId,
        reason,
        comment,
        message,
        // Of other messages the server has the text itself.
        content: row.encrypted === 0 ? null : content,
        created_at: isoNow(clock),
      });
    };
    await store.write(work, (stored) => {
      if (stored !== undefined) this.#announce(toReport(stored));
    });
  }

  /** Returns reports, oldest first. The caller of this method has authorized it. */
  async list({ state = 'open', after, limit = PAGE }: ListReports = {}): Promise<{
    reports: Report[];
    hasMore: boolean;
  }> {
    const size = Math.min(Math.max(1, Math.trunc(limit)), MAX_PAGE);
    const page = { open: state === 'open', after: after === undefined ? 0 : idOf(after) };
    const rows = await this.#deps.store.read(() => listReports(page, size + 1));
    return { reports: rows.slice(0, size).map(toReport), hasMore: rows.length > size };
  }

  /**
   * Marks a report as resolved and returns it. Idempotent: a resolved report keeps its first resolution. The caller of this
   * method has authorized it.
   *
   * @throws CommError `NOT_FOUND`
   */
  async resolve(reportId: string, { by, resolution }: Resolution = {}): Promise<Report> {
    const id = idOf(reportId);
    const at = isoNow(this.#deps.clock);
    const row = await this.#deps.store.write(function* () {
      yield* resolveReport(id, { at, by: by ?? null, resolution: resolution ?? null });
      return yield* findReport(id);
    });
    if (row === undefined) throw notFound();
    return toReport(row);
  }

  /** Calls the hook `onReport`. Its failure is logged: the report is stored. */
  #announce(report: Report): void {
    const { hooks, clock, logger } = this.#deps;
    const { onReport } = hooks;
    if (onReport === undefined) return;
    const call = { name: 'onReport', timeoutMs: HOOK_TIMEOUT_MS, clock, logger } as const;
    askHook(call, () => onReport(report)).catch((error: unknown) =>
      logger.warn('the hook onReport rejected a report', { reportId: report.id, ...errorFields(error) }),
    );
  }
}

/** Returns a message without what others have added to it, so that its size is that of what its sender wrote. */
function copyOf(row: MessageRow): Message {
  return toMessage({ ...row, reaction_envelopes: null }, { status: 'sent', readBy: [], reactions: [] });
}

function idOf(reportId: string): number {
  if (!/^[1-9]\d{0,14}$/.test(reportId)) throw notFound();
  return Number(reportId);
}

function toReport(row: ReportRow): Report {
  const message = parsed(messageSchema, row.message);
  return {
    id: String(row.id),
    conversationId: row.conversation_id,
    messageId: row.message_id,
    senderId: row.sender_id,
    reporterId: row.reporter_id,
    reason: row.reason,
    ...(row.comment !== null && { comment: row.comment }),
    ...(message !== undefined && { message }),
    ...(row.content !== null && { content: row.content }),
    createdAt: isoTime(row.created_at),
    ...(row.resolved_at !== null && { resolvedAt: isoTime(row.resolved_at) }),
    ...(row.resolved_by !== null && { resolvedBy: row.resolved_by }),
    ...(row.resolution !== null && { resolution: row.resolution }),
  };
}
