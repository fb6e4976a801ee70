import * as v from 'valibot';
import { idSchema } from './fields.ts';
import { LIMITS } from './limits.ts';
import {
  changesSchema,
  conversationSchema,
  createConversationSchema,
  type Changes,
  type Conversation,
  type CreateConversation,
} from './conversations.ts';
import { messageSchema, type Message } from './messages.ts';
import type { RestRouteName } from './vocabulary.ts';

/** What each route is answered with. Lists of messages are newest first; an error is `{ error: ErrorBody }`. */
export interface RestAnswers {
  listConversations: Conversation[];
  createConversation: Conversation;
  getConversation: Conversation;
  listMessages: Message[];
  listChanges: Changes;
  searchMessages: Message[];
  getMessage: Message;
  deleteMessage: Message;
}

export const REST_ANSWER_SCHEMAS: { readonly [K in RestRouteName]: v.GenericSchema<unknown, RestAnswers[K]> } = {
  listConversations: v.array(conversationSchema),
  createConversation: conversationSchema,
  getConversation: conversationSchema,
  listMessages: v.array(messageSchema),
  listChanges: changesSchema,
  searchMessages: v.array(messageSchema),
  getMessage: messageSchema,
  deleteMessage: messageSchema,
};

/** Query strings arrive as text: numbers are digits only, with nothing around them. */
const digits = (min: number, max: number) =>
  v.optional(v.pipe(v.string(), v.regex(/^\d{1,15}$/), v.transform(Number), v.minValue(min), v.maxValue(max)));
const limit = digits(1, LIMITS.maxPageSize);

export interface ListConversationsQuery {
  limit?: number | undefined;
  offset?: number | undefined;
}
/** At most one of the three; `before` may be a message id or an ISO time. */
export interface ListMessagesQuery {
  limit?: number | undefined;
  before?: string | undefined;
  after?: string | undefined;
  around?: string | undefined;
}
export interface ListChangesQuery {
  after: number;
  limit?: number | undefined;
}
export interface SearchQuery {
  q: string;
  conversationId?: string | undefined;
  limit?: number | undefined;
}

export const listConversationsQuerySchema = v.object({ limit, offset: digits(0, 1e9) }) satisfies v.GenericSchema<
  unknown,
  ListConversationsQuery
>;
export const listMessagesQuerySchema = v.pipe(
  v.object({ limit, before: v.optional(idSchema), after: v.optional(idSchema), around: v.optional(idSchema) }),
  v.check(
    ({ before, after, around }) => [before, after, around].filter((each) => each !== undefined).length <= 1,
    'Give one of before, after and around',
  ),
) satisfies v.GenericSchema<unknown, ListMessagesQuery>;
export const listChangesQuerySchema = v.object({
  after: v.pipe(v.string(), v.regex(/^\d{1,15}$/), v.transform(Number)),
  limit,
}) satisfies v.GenericSchema<unknown, ListChangesQuery>;
export const searchQuerySchema = v.object({
  q: v.pipe(v.string(), v.trim(), v.nonEmpty(), v.maxLength(LIMITS.searchLength)),
  conversationId: v.optional(idSchema),
  limit,
}) satisfies v.GenericSchema<unknown, SearchQuery>;
export const createConversationBodySchema: v.GenericSchema<unknown, CreateConversation> = createConversationSchema;
