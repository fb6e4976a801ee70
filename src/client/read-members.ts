import type { AbortOptions } from '../lib/abort.ts';
import type { MemberPage } from '../protocol/conversations.ts';
import { parseMembers } from '../transport/parse-members.ts';
import type { RestClient } from '../transport/rest-client.ts';
import { unreadable } from './context.ts';

/** Selects a page of the participants of a conversation. */
export interface ListMembers {
  /** User id of the last member of the previous page. */
  after?: string | undefined;
  /**
   * Most participants to return.
   * @defaultValue 100, at most 200
   */
  limit?: number | undefined;
}

/** What requests REST routes. */
export type MemberSource = Pick<RestClient, 'ask'>;

/** Participants per request: the most that a server returns. */
const MAX_PAGE = 200;

/** Returns a function that reads the participants after a user id. */
export function memberPages(
  source: () => Promise<MemberSource>,
): (id: string, after: string | undefined) => Promise<MemberPage> {
  return async (id, after) => readMembers(await source(), id, { after, limit: MAX_PAGE });
}

/** Reads a page of the participants of a conversation. */
export async function readMembers(
  rest: MemberSource,
  id: string,
  { after, limit }: ListMembers,
  options: AbortOptions = {},
): Promise<MemberPage> {
  const page = parseMembers(await rest.ask('listMembers', { id, query: { after, limit }, ...options }));
  if (page === undefined) throw unreadable('page of members');
  return page;
}
