import * as v from 'valibot';
import { idSchema, wellFormed } from '../../protocol/common-schemas.ts';
import { LIMITS } from '../../protocol/limits.ts';
import { parseInput } from '../parse-input.ts';
import type { ServerCore } from '../server-core.ts';
import type { Report } from '../hooks.ts';
import type { ListReports, Resolution } from '../services/moderation/report-service.ts';
import type { UserBanPage } from '../services/moderation/user-bans.ts';

/** Whom to ban, and from where. */
export interface BanTarget {
  userId: string;
}

/** A ban. */
export interface NewBan extends BanTarget {
  /** Stored with the ban, and shown to nobody but the app: at most 1,000 characters. */
  reason?: string | undefined;
}

/** How a report was dealt with. */
export interface ResolveReport extends Resolution {
  reportId: string;
}

/** A page of reports, oldest first. */
export interface ReportPage {
  readonly reports: readonly Report[];
  readonly hasMore: boolean;
}

/** Moderation, for the app's own backend. */
export interface ModerationApi {
  /** Returns a page of the messages that users have reported. */
  reports(page?: ListReports): Promise<ReportPage>;
  /** Marks a report as resolved and returns it. A resolved report keeps its first resolution. @throws CommError `NOT_FOUND` */
  resolve(report: ResolveReport): Promise<Report>;
  /**
   * Bans a user from the whole server: their sockets in this process end at once, and connections and REST requests are rejected
   * with `FORBIDDEN`. Memberships and messages stay. Idempotent; a new reason replaces the earlier one.
   */
  ban(ban: NewBan): Promise<void>;
  /** Lifts a ban. Idempotent. */
  unban(target: BanTarget): Promise<void>;
  /** Returns whether a user is banned from the whole server. */
  isBanned(userId: string): Promise<boolean>;
  /** Returns a page of the users who are banned from the whole server, ordered by id. */
  bans(page?: { after?: string | undefined; limit?: number | undefined }): Promise<UserBanPage>;
}

const REASON_LENGTH = 1_000;
const target = { userId: idSchema };
const banSchema = v.object({
  ...target,
  reason: v.optional(v.pipe(v.string(), v.maxLength(REASON_LENGTH), wellFormed)),
});
const unbanSchema = v.object(target);
const text = v.optional(v.pipe(v.string(), v.maxLength(REASON_LENGTH), wellFormed));
const reportsSchema = v.object({
  state: v.optional(v.picklist(['open', 'all'])),
  after: v.optional(idSchema),
  limit: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(LIMITS.maxPageSize))),
});
const resolveSchema = v.object({ reportId: idSchema, by: v.optional(idSchema), resolution: text });
const pageSchema = v.object({
  after: v.optional(idSchema),
  limit: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(LIMITS.maxPageSize))),
});

/** Implements {@link ModerationApi}. */
export function moderationApi(core: ServerCore): ModerationApi {
  const { userBans, reports } = core.services;
  return {
    async reports(page = {}) {
      const wanted = parseInput(reportsSchema, page);
      await core.ready();
      return await reports.list(wanted);
    },
    async resolve(report) {
      const { reportId, ...resolution } = parseInput(resolveSchema, report);
      await core.ready();
      return await reports.resolve(reportId, resolution);
    },
    async ban(ban) {
      const { userId, reason } = parseInput(banSchema, ban);
      await core.ready();
      await userBans.ban(userId, reason);
    },
    async unban(given) {
      const { userId } = parseInput(unbanSchema, given);
      await core.ready();
      await userBans.unban(userId);
    },
    async isBanned(userId) {
      const id = parseInput(idSchema, userId);
      await core.ready();
      return await userBans.isBanned(id);
    },
    async bans(page = {}) {
      const { after, limit } = parseInput(pageSchema, page);
      await core.ready();
      return await userBans.page(after, limit);
    },
  };
}
