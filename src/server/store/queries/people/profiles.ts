import { sql } from 'kysely';
import * as v from 'valibot';
import type { JsonObject } from '../../../../protocol/metadata.ts';
import { userMetadataSchema, type User } from '../../../../protocol/users.ts';
import { parsed } from '../rows.ts';
import { listed, query, statement, type Params } from '../../engine/statement.ts';
import { all, run, type Work } from '../../engine/work.ts';

/** Where the fields of a profile come from, in order of precedence. */
export const PROFILE_SOURCES = ['hook', 'stored', 'claims'] as const;
/** One of {@link PROFILE_SOURCES}. */
export type ProfileSource = (typeof PROFILE_SOURCES)[number];

/** The fields of a profile that one source has. */
export interface ProfileFields {
  displayName?: string | undefined;
  avatarUrl?: string | undefined;
  metadata?: JsonObject | undefined;
}
/** Changes fields of one source: absent ones stay unchanged, `null` clears. */
export type ProfileChange = { readonly [K in keyof ProfileFields]?: ProfileFields[K] | null };

/** The fields of all sources. */
export type ProfileFieldsBySource = { [K in ProfileSource]?: ProfileFields | undefined };

/** Time of a profile that has never changed. */
const NEVER = new Date(0).toISOString();
/** Words of a name by which a user is found, and characters of each. */
const MAX_WORDS = 8;
const MAX_WORD_LENGTH = 40;
/** Users with a word that begins as asked who are compared with the other words of a search. */
const MAX_CANDIDATES = 500;

const fieldsSchema = v.object({
  displayName: v.optional(v.string()),
  avatarUrl: v.optional(v.string()),
  metadata: v.optional(userMetadataSchema),
});
const sourcesSchema = v.object({
  hook: v.optional(fieldsSchema),
  stored: v.optional(fieldsSchema),
  claims: v.optional(fieldsSchema),
}) satisfies v.GenericSchema<unknown, ProfileFieldsBySource>;

const selectProfiles = statement((p: Params<{ userIds: string }>) =>
  query
    .selectFrom('comm_profiles')
    .select(['user_id', 'display_name', 'avatar_url', 'metadata', 'updated_at', 'sources'])
    .where('user_id', 'in', listed(p.userIds)),
);
const selectUsers = statement((p: Params<{ userIds: string }>) =>
  query
    .selectFrom('comm_profiles')
    .select(['user_id', 'display_name', 'avatar_url', 'metadata', 'updated_at'])
    .where('user_id', 'in', listed(p.userIds)),
);
const upsertProfiles = statement(
  (p: Params<{ rows: string }>) => sql<never>`
    insert into comm_profiles (user_id, display_name, avatar_url, metadata, updated_at, sources)
    select value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 from json_each(${p.rows})
    where true
    on conflict (user_id) do update set display_name = excluded.display_name, avatar_url = excluded.avatar_url,
      metadata = excluded.metadata, updated_at = excluded.updated_at, sources = excluded.sources`,
);
const deleteWords = statement((p: Params<{ userIds: string }>) =>
  query.deleteFrom('comm_profile_words').where('user_id', 'in', listed(p.userIds)),
);
const insertWords = statement(
  (p: Params<{ rows: string }>) => sql<never>`
    insert into comm_profile_words (word, user_id)
    select value ->> 0, value ->> 1 from json_each(${p.rows}) where true on conflict do nothing`,
);
/** The last code point follows every other one. */
const selectMatches = statement(
  (p: Params<{ word: string; others: string; candidates: number; limit: number }>) => sql<{ user_id: string }>`
    select user_id, min(word) as word from (
      select user_id, word from comm_profile_words
      where word >= ${p.word} and word < ${p.word} || char(1114111) order by word, user_id limit ${p.candidates}
    ) as found
    where not exists (
      select 1 from json_each(${p.others}) as other where not exists (
        select 1 from comm_profile_words as w
        where w.user_id = found.user_id and w.word >= other.value and w.word < other.value || char(1114111)
      )
    )
    group by user_id order by word, user_id limit ${p.limit}`,
);

/** The profile of a user and the fields of each source. */
export interface StoredProfile {
  readonly user: User;
  readonly sources: ProfileFieldsBySource;
}

/** Returns users as others see them, in the order of the ids. Users without a profile are shown by their ids. */
export function* usersOf(userIds: readonly string[]): Work<User[]> {
  const rows = yield* all(selectUsers({ userIds: JSON.stringify(userIds) }));
  const known = new Map(rows.map((row) => [row.user_id, toUser(row)]));
  return userIds.map((id) => known.get(id) ?? unknownUser(id));
}

/** Returns the profiles of users. Users without one are shown by their ids. */
export function* profilesOf(userIds: readonly string[]): Work<ReadonlyMap<string, StoredProfile>> {
  const rows = yield* all(selectProfiles({ userIds: JSON.stringify(userIds) }));
  const known = new Map(
    rows.map((row) => [row.user_id, { user: toUser(row), sources: parsed(sourcesSchema, row.sources) ?? {} }] as const),
  );
  return new Map(userIds.map((id) => [id, known.get(id) ?? { user: unknownUser(id), sources: {} }]));
}

/**
 * Changes the fields of one source of several users.
 *
 * @param changes - by user id; `undefined` removes all fields of the source
 * @param keepsHook - false removes the fields of the source `hook` too: the app has no hook any more
 * @returns the profiles that are shown differently now
 */
export function* changeProfiles(
  source: ProfileSource,
  changes: ReadonlyMap<string, ProfileChange | undefined>,
  now: string,
  keepsHook = true,
): Work<User[]> {
  const rows: unknown[] = [];
  const words: [word: string, userId: string][] = [];
  const renamed: string[] = [];
  const changed: User[] = [];
  for (const [id, before] of yield* profilesOf([...changes.keys()])) {
    const change = changes.get(id);
    const sources = {
      ...before.sources,
      ...(!keepsHook && { hook: undefined }),
      [source]: change && changedFields(before.sources[source], change),
    };
    if (JSON.stringify(sources) === JSON.stringify(before.sources)) continue;
    const shown = shownFields(sources);
    const user: User = { id, ...shown, displayName: shown.displayName ?? id, updatedAt: before.user.updatedAt };
    if (!isSameUser(user, before.user)) changed.push(Object.assign(user, { updatedAt: now }));
    if (shown.displayName !== undefined || before.user.displayName !== id) {
      renamed.push(id);
      for (const word of wordsOf(`${shown.displayName ?? ''} ${id}`)) words.push([word, id]);
    }
    const { displayName = null, avatarUrl = null, metadata } = shown;
    const json = metadata === undefined ? null : JSON.stringify(metadata);
    rows.push([id, displayName, avatarUrl, json, user.updatedAt, JSON.stringify(sources)]);
  }
  if (rows.length > 0) yield* run(upsertProfiles({ rows: JSON.stringify(rows) }));
  if (renamed.length > 0) {
    yield* run(deleteWords({ userIds: JSON.stringify(renamed) }));
    yield* run(insertWords({ rows: JSON.stringify(words) }));
  }
  return changed;
}

/** Returns the ids of users who have, for each word of the text, a word that begins with it. */
export function* findProfiles(text: string, limit: number): Work<string[]> {
  const [word, ...others] = wordsOf(text).toSorted((one, other) => other.length - one.length);
  if (word === undefined) return [];
  const rows = yield* all(selectMatches({ word, others: JSON.stringify(others), candidates: MAX_CANDIDATES, limit }));
  return rows.map((row) => row.user_id);
}

interface UserRow {
  readonly user_id: string;
  readonly display_name: string | null;
  readonly avatar_url: string | null;
  readonly metadata: string | null;
  readonly updated_at: string;
}

function toUser(row: UserRow): User {
  const metadata = row.metadata === null ? undefined : parsed(userMetadataSchema, row.metadata);
  return {
    id: row.user_id,
    displayName: row.display_name ?? row.user_id,
    ...(row.avatar_url !== null && { avatarUrl: row.avatar_url }),
    ...(metadata !== undefined && { metadata }),
    updatedAt: row.updated_at,
  };
}

function unknownUser(id: string): User {
  return { id, displayName: id, updatedAt: NEVER };
}

/** Splits a text into words without case and accents. */
function wordsOf(text: string): string[] {
  const plain = text.normalize('NFKD').replaceAll(/\p{M}/gu, '').toLowerCase();
  const words = plain.match(/[\p{L}\p{N}]+/gu) ?? [];
  return [...new Set(words.slice(0, MAX_WORDS).map((word) => word.slice(0, MAX_WORD_LENGTH)))];
}

function changedFields(before: ProfileFields = {}, change: ProfileChange): ProfileFields | undefined {
  const fields: ProfileFields = {};
  const { displayName, avatarUrl, metadata } = change;
  assign(fields, 'displayName', displayName === undefined ? before.displayName : displayName);
  assign(fields, 'avatarUrl', avatarUrl === undefined ? before.avatarUrl : avatarUrl);
  assign(fields, 'metadata', metadata === undefined ? before.metadata : metadata);
  return Object.keys(fields).length === 0 ? undefined : fields;
}

function shownFields(sources: ProfileFieldsBySource): ProfileFields {
  const fields: ProfileFields = {};
  const inOrder = PROFILE_SOURCES.map((source) => sources[source]);
  assign(fields, 'displayName', inOrder.find((each) => each?.displayName !== undefined)?.displayName);
  assign(fields, 'avatarUrl', inOrder.find((each) => each?.avatarUrl !== undefined)?.avatarUrl);
  assign(fields, 'metadata', inOrder.find((each) => each?.metadata !== undefined)?.metadata);
  return fields;
}

function assign<K extends keyof ProfileFields>(fields: ProfileFields, name: K, value: ProfileFields[K] | null): void {
  if (value !== undefined && value !== null) fields[name] = value;
}

function isSameUser(one: User, other: User): boolean {
  return (
    one.displayName === other.displayName &&
    one.avatarUrl === other.avatarUrl &&
    JSON.stringify(one.metadata) === JSON.stringify(other.metadata)
  );
}
