import { sql } from 'kysely';
import type { ConversationSettings } from '../../../../protocol/groups.ts';
import { metadataSchema } from '../../../../protocol/common-schemas.ts';
import type { JsonObject } from '../../../../protocol/metadata.ts';
import { parsed, quote } from '../rows.ts';
import { query, statement, type Params } from '../../engine/statement.ts';
import { first, run, type Work } from '../../engine/work.ts';

/** The settings of a conversation as they are stored. An app may have created some of the columns, with other contents. */
export interface SettingsRow {
  description: string | null;
  avatar_url: string | null;
  /** JSON. */
  metadata: string | null;
  visibility: string | null;
  frozen: number | null;
  slow_mode_seconds: number | null;
}

/** A {@link SettingsRow} as an array, in the order of its fields. */
export type SettingsTuple = readonly [
  description: string | null,
  avatarUrl: string | null,
  metadata: string | null,
  visibility: string | null,
  frozen: number | null,
  slowModeSeconds: number | null,
];
/** Number of columns of {@link SettingsTuple}. */
export const SETTINGS_COUNT = 6;

/** Columns of {@link SettingsRow} of the conversation `c`. */
export const SETTINGS_COLUMNS = sql`c.description, c.avatar_url, c.metadata, c.visibility, c.frozen, c.slow_mode_seconds`;

/** The row of a conversation without settings. */
export const NO_SETTINGS: SettingsRow = {
  description: null,
  avatar_url: null,
  metadata: null,
  visibility: 'private',
  frozen: 0,
  slow_mode_seconds: 0,
};

/** Maps a row. Invalid contents of columns that an app created are omitted. */
export function toSettings(type: string, row: SettingsRow): ConversationSettings {
  const { description, avatar_url: avatarUrl, visibility, frozen, slow_mode_seconds: slowModeSeconds } = row;
  if (type === 'direct') return { visibility: 'private' };
  const metadata = typeof row.metadata === 'string' ? parsed(metadataSchema, row.metadata) : undefined;
  return {
    ...(typeof description === 'string' && { description }),
    ...(typeof avatarUrl === 'string' && { avatarUrl }),
    ...(metadata !== undefined && { metadata }),
    visibility: visibility === 'public' ? 'public' : 'private',
    ...(frozen === 1 && { frozen: true }),
    ...(typeof slowModeSeconds === 'number' && slowModeSeconds > 0 && { slowModeSeconds }),
  };
}

/** Writes the fields of {@link toSettings} as JSON, each with a comma before it. */
export function settingsJson(type: string, row: SettingsTuple): string {
  const [description, avatarUrl, metadata, visibility, frozen, slowModeSeconds] = row;
  if (type === 'direct') return ',"visibility":"private"';
  let json = '';
  if (typeof description === 'string') json += `,"description":${quote(description)}`;
  if (typeof avatarUrl === 'string') json += `,"avatarUrl":${quote(avatarUrl)}`;
  const data = typeof metadata === 'string' ? parsed(metadataSchema, metadata) : undefined;
  if (data !== undefined) json += `,"metadata":${JSON.stringify(data)}`;
  json += visibility === 'public' ? ',"visibility":"public"' : ',"visibility":"private"';
  if (frozen === 1) json += ',"frozen":true';
  if (typeof slowModeSeconds === 'number' && slowModeSeconds > 0) json += `,"slowModeSeconds":${slowModeSeconds}`;
  return json;
}

/** A change of the settings: absent fields stay, `null` clears. */
export interface SettingsChange {
  readonly name?: string | undefined;
  readonly description?: string | null | undefined;
  readonly avatarUrl?: string | null | undefined;
  readonly metadata?: JsonObject | null | undefined;
  readonly visibility?: string | undefined;
  readonly frozen?: boolean | undefined;
  readonly slowModeSeconds?: number | null | undefined;
}

/** Applies a change to a row. */
export function changedSettings(row: SettingsRow, change: SettingsChange): SettingsRow {
  const { description, avatarUrl, metadata, visibility, frozen, slowModeSeconds } = change;
  return {
    ...row,
    ...(description !== undefined && { description }),
    ...(avatarUrl !== undefined && { avatar_url: avatarUrl }),
    ...(metadata !== undefined && { metadata: metadata === null ? null : JSON.stringify(metadata) }),
    ...(visibility !== undefined && { visibility }),
    ...(frozen !== undefined && { frozen: frozen ? 1 : 0 }),
    ...(slowModeSeconds !== undefined && { slow_mode_seconds: slowModeSeconds ?? 0 }),
  };
}

const selectSettings = statement((p: Params<{ id: string }>) =>
  query
    .selectFrom('conversations')
    .select(['name', 'description', 'avatar_url', 'metadata', 'visibility', 'frozen', 'slow_mode_seconds'])
    .where('id', '=', p.id),
);
const updateSettings = statement((p: Params<{ id: string; name: string | null } & Required<SettingsRow>>) =>
  query
    .updateTable('conversations')
    .set((each) => ({
      name: p.name,
      description: p.description,
      avatar_url: p.avatar_url,
      metadata: p.metadata,
      visibility: p.visibility,
      frozen: p.frozen,
      slow_mode_seconds: p.slow_mode_seconds,
      rev: each('rev', '+', 1),
    }))
    .where('id', '=', p.id),
);

const selectPublic = statement(
  (p: Params<{ id: string }>) => sql<{ id: string }>`
    select id from conversations where id = ${p.id} and visibility = 'public' and type = 'group'`,
);

/** Returns whether a conversation is a group that every user may enter. */
export function* isPublicGroup(id: string): Work<boolean> {
  return (yield* first(selectPublic({ id }))) !== undefined;
}

/** Changes name and settings and advances `rev`. @returns false if nothing changed */
export function* changeSettings(id: string, change: SettingsChange): Work<boolean> {
  const stored = yield* first(selectSettings({ id }));
  if (stored === undefined) return false;
  const { name: storedName, ...before } = stored;
  const next = { name: change.name ?? storedName, ...changedSettings(before, change) };
  if (JSON.stringify(next) === JSON.stringify(stored)) return false;
  yield* run(updateSettings({ id, ...next }));
  return true;
}
