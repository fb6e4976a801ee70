import { idSchema } from '../../protocol/common-schemas.ts';
import { REST_INPUT_SCHEMAS as INPUT, type RestAnswers } from '../../protocol/rest.ts';
import type { RestRouteName } from '../../protocol/constants.ts';
import { addedWork, pageWork } from '../services/limits/request-work.ts';
import type { Services } from '../services/services.ts';
import type { Caller } from '../services/ports.ts';
import type { RestRequest } from './rest-request.ts';
import { parseInput } from '../parse-input.ts';
import { readJson } from './read-json.ts';

/** An authenticated request. */
export interface RestContext {
  readonly services: Services;
  readonly caller: Caller;
  /** Path parameter `:id`; empty for routes without one. */
  readonly id: string;
  /** Query parameters. The names are chosen by the peer, so only schemas read them. */
  readonly query: unknown;
  readonly request: RestRequest;
}
/** An answer, as a value or, for large answers, as its JSON. */
type RestResult<T> = ({ readonly body: T } | { readonly json: string }) & {
  /** @defaultValue 200 */
  readonly status?: number;
};
type RestHandlers = {
  readonly [K in RestRouteName]: (context: RestContext) => Promise<RestResult<RestAnswers[K]>>;
};

/** Handler of each route: parses the input and calls a service. The services authorize. */
export const REST_HANDLERS: RestHandlers = {
  async listConversations({ services, caller, query }) {
    const { paged, ...wanted } = parseInput(INPUT.listConversations.query, query);
    services.budgets.chargeRequest(caller, pageWork(wanted.limit));
    if (wanted.query !== undefined) services.budgets.chargeSearch(caller);
    const page = await services.conversations.page(caller, wanted);
    const { conversations, hasMore } = page;
    return { json: paged === undefined ? conversations : `{"conversations":${conversations},"hasMore":${hasMore}}` };
  },
  async createConversation({ services, caller, request }) {
    const wanted = parseInput(INPUT.createConversation.body, await readJson(request));
    services.budgets.chargeRequest(caller, addedWork(wanted.participantIds));
    const { conversation, created } = await services.conversations.create(caller, wanted);
    return { body: conversation, status: created ? 201 : 200 };
  },
  async getConversation({ services, caller, id }) {
    return { body: await services.conversations.get(caller, parseInput(idSchema, id)) };
  },
  async listMembers({ services, caller, id, query }) {
    const page = parseInput(INPUT.listMembers.query, query);
    services.budgets.chargeRequest(caller, pageWork(page.limit));
    return { body: await services.conversations.members(caller, parseInput(idSchema, id), page) };
  },
  async listBans({ services, caller, id, query }) {
    const page = parseInput(INPUT.listBans.query, query);
    services.budgets.chargeRequest(caller, pageWork(page.limit));
    return { body: await services.groups.bans(caller, parseInput(idSchema, id), page) };
  },
  async listMessages({ services, caller, id, query }) {
    const { paged, ...wanted } = parseInput(INPUT.listMessages.query, query);
    services.budgets.chargeRequest(caller, pageWork(wanted.limit));
    const page = await services.history.page(caller.userId, parseInput(idSchema, id), wanted);
    return { json: paged === undefined ? page.messages : `{"messages":${page.messages},"hasMore":${page.hasMore}}` };
  },
  async listPinned({ services, caller, id, query }) {
    const page = parseInput(INPUT.listPinned.query, query);
    services.budgets.chargeRequest(caller, pageWork(page.limit));
    return { body: await services.history.pinned(caller.userId, parseInput(idSchema, id), page) };
  },
  async listChanges({ services, caller, id, query }) {
    const page = parseInput(INPUT.listChanges.query, query);
    services.budgets.chargeRequest(caller, pageWork(page.limit));
    return { body: await services.sync.changes(caller, parseInput(idSchema, id), page) };
  },
  async searchMessages({ services, caller, query }) {
    const { paged, ...wanted } = parseInput(INPUT.searchMessages.query, query);
    services.budgets.chargeSearch(caller);
    const page = await services.history.searchPage(caller.userId, wanted);
    return { body: paged === undefined ? page.messages : page };
  },
  async getMessage({ services, caller, id }) {
    return { body: await services.history.get(caller.userId, parseInput(idSchema, id)) };
  },
  async deleteMessage({ services, caller, id }) {
    const messageId = parseInput(idSchema, id);
    const { conversationId } = await services.history.get(caller.userId, messageId);
    return { body: await services.messages.delete(caller, { conversationId, messageId }) };
  },
  async linkPreviews({ services, caller, request }) {
    const { text } = parseInput(INPUT.linkPreviews.body, await readJson(request));
    return { body: { previews: await services.linkPreviews.previews(caller, text) } };
  },
  async searchUsers({ services, caller, query }) {
    return { body: await services.profiles.search(caller, parseInput(INPUT.searchUsers.query, query)) };
  },
  async getUser({ services, caller, id }) {
    return { body: await services.profiles.getOne(caller, parseInput(idSchema, id)) };
  },
};
