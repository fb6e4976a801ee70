import * as v from 'valibot';
import { idSchema, wellFormed } from '../../protocol/common-schemas.ts';
import { LIMITS } from '../../protocol/limits.ts';
import { parseInput } from '../parse-input.ts';
import type { ServerCore } from '../server-core.ts';
import { ownerOf } from '../services/chat/owner-of.ts';
import type { Report } from '../hooks.ts';
import type { ListReports, Resolution } from '../services/moderation/report-service.ts';
import type { UserBanPage } from '../services/moderation/user-bans.ts';

/** Whom to ban, and from where. */
export interface BanTarget {
  userId: string;
  /** Group from which the user is banned. If absent, the whole server. */
  conversationId?: string | undefined;
}

/** A ban. */
export interface NewBan extends BanTarget {
  /** Stored with the ban and returned to the app only: at most 1,000 characters. */
  reason?: string | undefined;
}

/** How a report was dealt with. */
export interface ResolveReport extends Resolution {
  reportId: string;
}

/** Selects a page of bans. */
export interface BansPage {
  /** Group whose bans are listed. If absent, those of the whole server. */
  conversationId?: string | undefined;
  /** Id of the last user of the previous page. */
  after?: string | undefined;
  /** Number of bans. */
  limit?: number | undefined;
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
   * Bans a user. From the whole server: their sockets in all processes end at once, and connections and REST requests are rejected
   * with `FORBIDDEN`. Memberships and messages stay; a new reason replaces the earlier one. From a group: the user is removed and
   * can't become a member again. Idempotent.
   *
   * @throws CommError `NOT_FOUND` if there is no such group or it has no other member, `FORBIDDEN` for a direct conversation
   */
  ban(ban: NewBan): Promise<void>;
  /** Lifts a ban. Idempotent. */
  unban(target: BanTarget): Promise<void>;
  /** Returns whether a user is banned from the whole server. */
  isBanned(userId: string): Promise<boolean>;
  /** Returns a page of the users who are banned from the whole server, or from a group, ordered by id. */
  bans(page?: BansPage): Promise<UserBanPage>;
}

const REASON_LENGTH = 1_000;
const target = { userId: idSchema, conversationId: v.optional(idSchema) };
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
  conversationId: v.optional(idSchema),
  after: v.optional(idSchema),
  limit: v.optional(v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(LIMITS.maxPageSize))),
});

/** Implements {@link ModerationApi}. */
export function moderationApi(core: ServerCore): ModerationApi {
  const { userBans, reports, groups, departures } = core.services;
  const banFrom = async (conversationId: string, userId: string, banned: boolean, reason?: string): Promise<void> => {
    let owner = await ownerOf(core.store, conversationId, userId);
    if (owner.userId === userId) {
      // The only owner: another member becomes one.
      await departures.leave(conversationId, userId);
      owner = await ownerOf(core.store, conversationId);
    }
    await groups.ban(owner, { conversationId, userId, banned, reason });
  };
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
      const { userId, conversationId, reason } = parseInput(banSchema, ban);
      await core.ready();
      if (conversationId === undefined) await userBans.ban(userId, reason);
      else await banFrom(conversationId, userId, true, reason);
    },
    async unban(given) {
      const { userId, conversationId } = parseInput(unbanSchema, given);
      await core.ready();
      if (conversationId === undefined) return await userBans.unban(userId);
      const owner = await ownerOf(core.store, conversationId, userId);
      // The only owner is a member, whom no ban can concern.
      if (owner.userId === userId) return;
      await groups.ban(owner, { conversationId, userId, banned: false });
    },
    async isBanned(userId) {
      const id = parseInput(idSchema, userId);
      await core.ready();
      return await userBans.isBanned(id);
    },
    async bans(page = {}) {
      const { conversationId, after, limit } = parseInput(pageSchema, page);
      await core.ready();
      if (conversationId === undefined) return await userBans.page(after, limit);
      return await groups.bans(await ownerOf(core.store, conversationId), conversationId, { after, limit });
    },
  };
}
