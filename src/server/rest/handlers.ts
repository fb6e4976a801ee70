import * as v from 'valibot';
import { CommError } from '../../protocol/errors.ts';
import { idSchema } from '../../protocol/fields.ts';
import {
  createConversationBodySchema,
  listChangesQuerySchema,
  listConversationsQuerySchema,
  listMessagesQuerySchema,
  searchQuerySchema,
  type RestAnswers,
} from '../../protocol/rest.ts';
import type { RestRouteName } from '../../protocol/vocabulary.ts';
import type { ChatServices } from '../services/chat-services.ts';
import type { Caller } from '../services/ports.ts';
import type { RestCall } from './call.ts';
import { readJson } from './body.ts';

/** A request that has passed authentication. */
export interface RestRequest {
  readonly services: ChatServices;
  readonly caller: Caller;
  /** From the path; empty for routes without one. */
  readonly id: string;
  /** Names come from outside: only schemas look into it. */
  readonly query: unknown;
  readonly call: RestCall;
}
interface RestAnswer<T> {
  readonly body: T;
  /** @defaultValue 200 */
  readonly status?: number;
}
type RestHandlers = {
  readonly [K in RestRouteName]: (request: RestRequest) => Promise<RestAnswer<RestAnswers[K]>>;
};

/** What each route does: read its input by its schema, ask a service. The services authorize. */
export const REST_HANDLERS: RestHandlers = {
  async listConversations({ services, caller, query }) {
    return { body: await services.conversations.list(caller, parse(listConversationsQuerySchema, query)) };
  },
  async createConversation({ services, caller, call }) {
    const wanted = parse(createConversationBodySchema, await readJson(call));
    const { conversation, created } = await services.conversations.create(caller, wanted);
    return { body: conversation, status: created ? 201 : 200 };
  },
  async getConversation({ services, caller, id }) {
    return { body: await services.conversations.get(caller, parse(idSchema, id)) };
  },
  async listMessages({ services, caller, id, query }) {
    const page = parse(listMessagesQuerySchema, query);
    return { body: await services.history.list(caller.userId, parse(idSchema, id), page) };
  },
  async listChanges({ services, caller, id, query }) {
    const page = parse(listChangesQuerySchema, query);
    return { body: await services.sync.changes(caller, parse(idSchema, id), page) };
  },
  async searchMessages({ services, caller, query }) {
    return { body: await services.history.search(caller.userId, parse(searchQuerySchema, query)) };
  },
  async getMessage({ services, caller, id }) {
    return { body: await services.history.get(caller.userId, parse(idSchema, id)) };
  },
  async deleteMessage({ services, caller, id }) {
    const messageId = parse(idSchema, id);
    const { conversationId } = await services.history.get(caller.userId, messageId);
    return { body: await services.messages.delete(caller, { conversationId, messageId }) };
  },
};

/** @throws CommError `INVALID`, which names the field and not what was in it */
function parse<T>(schema: v.GenericSchema<unknown, T>, input: unknown): T {
  const result = v.safeParse(schema, input, { abortEarly: true });
  if (result.success) return result.output;
  const field = result.issues[0].path?.[0]?.key;
  throw new CommError('INVALID', typeof field === 'string' ? `${field} is not valid` : 'The request is not valid');
}
