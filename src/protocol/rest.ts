import * as v from 'valibot';
import { idSchema, wellFormed } from './common-schemas.ts';
import { banPageSchema, type BanPage } from './groups.ts';
import { linkPreviewsRequestSchema, linkPreviewsSchema, type LinkPreviews } from './link-previews.ts';
import { LIMITS } from './limits.ts';
import {
  changesSchema,
  conversationPageSchema,
  memberPageSchema,
  conversationSchema,
  createConversationSchema,
  type Changes,
  type Conversation,
  type ConversationPage,
  type MemberPage,
  type CreateConversation,
} from './conversations.ts';
import { messagePageSchema, messageSchema, type Message, type MessagePage } from './messages.ts';
import { userListSchema, userSchema, type User, type UserList } from './users.ts';
import type { RestRouteName } from './constants.ts';

/**
 * The answer of each route. Lists of messages are newest first. A list can end before its limit, because its size is
 * limited too; with `paged` in the query, the answer says whether there is more. Errors are answered as
 * `{ error: ErrorBody }`.
 */
export interface RestAnswers {
  listConversations: Conversation[] | ConversationPage;
  createConversation: Conversation;
  getConversation: Conversation;
  listMembers: MemberPage;
  listBans: BanPage;
  listMessages: Message[] | MessagePage;
  listPinned: MessagePage;
  listChanges: Changes;
  searchMessages: Message[] | MessagePage;
  getMessage: Message;
  deleteMessage: Message;
  linkPreviews: LinkPreviews;
  searchUsers: UserList;
  getUser: User;
}

/** The schema of each route's answer. */
export const REST_ANSWER_SCHEMAS: { readonly [K in RestRouteName]: v.GenericSchema<unknown, RestAnswers[K]> } = {
  listConversations: v.union([v.array(conversationSchema), conversationPageSchema]),
  createConversation: conversationSchema,
  getConversation: conversationSchema,
  listMembers: memberPageSchema,
  listBans: banPageSchema,
  listMessages: v.union([v.array(messageSchema), messagePageSchema]),
  listPinned: messagePageSchema,
  listChanges: changesSchema,
  searchMessages: v.union([v.array(messageSchema), messagePageSchema]),
  getMessage: messageSchema,
  deleteMessage: messageSchema,
  linkPreviews: linkPreviewsSchema,
  searchUsers: userListSchema,
  getUser: userSchema,
};

/** Validates a number in a query string: digits only, without sign or whitespace. */
const digits = (min: number, max: number) =>
  v.optional(
    v.pipe(
      v.string(),
      v.regex(/^\d{1,15}$/, 'must be a whole number'),
      v.transform(Number),
      v.minValue(min),
      v.maxValue(max),
    ),
  );
const limit = digits(1, LIMITS.maxPageSize);
const truth = v.optional(
  v.pipe(
    v.picklist(['true', 'false']),
    v.transform((value) => value === 'true'),
  ),
);
const paged = v.optional(v.literal('true'));

/** Part of the query of a list. */
export interface PagedQuery {
  limit?: number | undefined;
  /** Requests an object with `hasMore` instead of a bare list, which base clients expect. */
  paged?: 'true' | undefined;
}

/** Query of `listConversations`. */
export interface ListConversationsQuery extends PagedQuery {
  offset?: number | undefined;
  /** Only conversations that the caller has archived (`true`) or not (`false`). */
  archived?: boolean | undefined;
  /** Only conversations with unread messages (`true`) or without (`false`). */
  unread?: boolean | undefined;
  /** Only conversations with this text in the name or in the name of another listed participant. */
  query?: string | undefined;
}
/** Query of `listMembers` and `listBans`. */
export interface ListMembersQuery {
  /** Last user id of the previous page. */
  after?: string | undefined;
  limit?: number | undefined;
}
/** Query of `listMessages`. At most one of `before`, `after` and `around` may be given, each a message id; `before` may also be an ISO time. */
export interface ListMessagesQuery extends PagedQuery {
  before?: string | undefined;
  after?: string | undefined;
  around?: string | undefined;
  /** Requests only the replies of the thread with this root. */
  threadId?: string | undefined;
  /** Requests only the main timeline: no replies that are shown in their threads only. Without it, a page has all messages. */
  timeline?: 'main' | undefined;
}
/** Query of `listPinned`. */
export interface ListPinnedQuery {
  limit?: number | undefined;
  /** Number of messages to skip. */
  offset?: number | undefined;
}
/** Query of `listChanges`. */
export interface ListChangesQuery {
  /** Only changes with a greater `rev` are returned. */
  after: number;
  limit?: number | undefined;
}
/** Query of `searchMessages`. */
export interface SearchQuery extends PagedQuery {
  q: string;
  conversationId?: string | undefined;
}

/** Query of `searchUsers`. */
export interface SearchUsersQuery {
  query: string;
  limit?: number | undefined;
}

/** Validates {@link ListConversationsQuery}. */
export const listConversationsQuerySchema = v.object({
  limit,
  paged,
  offset: digits(0, 1e9),
  archived: truth,
  unread: truth,
  query: v.optional(v.pipe(v.string(), v.trim(), v.nonEmpty(), v.maxLength(LIMITS.searchLength), wellFormed)),
}) satisfies v.GenericSchema<unknown, ListConversationsQuery>;
/** Validates {@link ListMembersQuery}. */
export const listMembersQuerySchema = v.object({
  after: v.optional(idSchema),
  limit,
}) satisfies v.GenericSchema<unknown, ListMembersQuery>;
/** Validates {@link ListMessagesQuery}. */
export const listMessagesQuerySchema = v.pipe(
  v.object({
    limit,
    paged,
    before: v.optional(idSchema),
    after: v.optional(idSchema),
    around: v.optional(idSchema),
    threadId: v.optional(idSchema),
    timeline: v.optional(v.literal('main')),
  }),
  v.check(
    ({ before, after, around }) => [before, after, around].filter((each) => each !== undefined).length <= 1,
    'before, after and around cannot be combined',
  ),
) satisfies v.GenericSchema<unknown, ListMessagesQuery>;
/** Validates {@link ListPinnedQuery}. */
export const listPinnedQuerySchema = v.object({
  limit,
  offset: digits(0, LIMITS.pinnedMessages),
}) satisfies v.GenericSchema<unknown, ListPinnedQuery>;
/** Validates {@link ListChangesQuery}. */
export const listChangesQuerySchema = v.object({
  after: v.pipe(v.string(), v.regex(/^\d{1,15}$/, 'must be a whole number'), v.transform(Number)),
  limit,
}) satisfies v.GenericSchema<unknown, ListChangesQuery>;
/** Validates {@link SearchQuery}. */
export const searchQuerySchema = v.object({
  q: v.pipe(v.string(), v.trim(), v.nonEmpty(), v.maxLength(LIMITS.searchLength)),
  conversationId: v.optional(idSchema),
  limit,
  paged,
}) satisfies v.GenericSchema<unknown, SearchQuery>;
/** Validates {@link SearchUsersQuery}. */
export const searchUsersQuerySchema = v.object({
  query: v.pipe(v.string(), v.trim(), v.nonEmpty(), v.maxLength(LIMITS.userSearchLength)),
  limit: digits(1, LIMITS.foundUsers),
}) satisfies v.GenericSchema<unknown, SearchUsersQuery>;
/** Validates {@link CreateConversation}. */
export const createConversationBodySchema: v.GenericSchema<unknown, CreateConversation> = createConversationSchema;

/** What each route reads besides its path: the schemas of its query parameters and of its JSON body. */
export const REST_INPUT_SCHEMAS = {
  listConversations: { query: listConversationsQuerySchema },
  createConversation: { body: createConversationBodySchema },
  getConversation: {},
  listMembers: { query: listMembersQuerySchema },
  listBans: { query: listMembersQuerySchema },
  listMessages: { query: listMessagesQuerySchema },
  listPinned: { query: listPinnedQuerySchema },
  listChanges: { query: listChangesQuerySchema },
  searchMessages: { query: searchQuerySchema },
  getMessage: {},
  deleteMessage: {},
  linkPreviews: { body: linkPreviewsRequestSchema },
  searchUsers: { query: searchUsersQuerySchema },
  getUser: {},
} as const satisfies {
  readonly [K in RestRouteName]: { readonly query?: v.GenericSchema; readonly body?: v.GenericSchema };
};
