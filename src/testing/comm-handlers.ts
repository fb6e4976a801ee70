import { CommError, HTTP_STATUS, type ServerErrorCode } from '../protocol/errors.ts';
import { DEFAULT_REST_PATH, REST_ROUTES, type RestRouteName } from '../protocol/constants.ts';
import { PAGE_LIMITS } from '../protocol/page-limits.ts';
import { RestData, type RestDataOptions } from './rest-data.ts';

/** The part of MSW's `http` that {@link commHandlers} uses. Declared here, so that this package doesn't depend on MSW. */
export interface MswHttp<Handler> {
  /** Creates a handler for all methods of a path. */
  all(path: string, resolver: (info: { request: Request }) => Promise<Response>): Handler;
}

/** Options of {@link commHandlers}. */
export interface CommHandlersOptions<Handler> extends RestDataOptions {
  /** The `http` export of the app's `msw`. */
  http: MswHttp<Handler>;
  /** Origin of the server. @defaultValue `'*'`: any origin */
  url?: string | undefined;
  /** Path of the REST API. @defaultValue `'/__nk_comm'` */
  restPath?: string | undefined;
  /** The user of requests that carry neither `x-user-id` nor `userId`, such as those with a token. @defaultValue `'ann'` */
  userId?: string | undefined;
}

/**
 * Creates handlers for Mock Service Worker 2 or 3 that answer the REST API from memory, for tests of an app's views.
 * Answers have the types of the real server, and creations and deletions persist for the lifetime of the handlers. A user
 * sees only their own conversations; no other rule of the server is implemented, and there are no sockets. For those use
 * `startTestServer` of `lumen-comm-server/testing`.
 *
 * @example
 * const worker = setupServer(...commHandlers({ http, conversations: [buildConversation()], messages: buildMessages(20) }));
 */
export function commHandlers<Handler>(options: CommHandlersOptions<Handler>): Handler[] {
  const { http, url = '*', restPath = DEFAULT_REST_PATH, userId = 'ann' } = options;
  const data = new RestData(options);
  return [
    http.all(`${url}${restPath}/*`, async ({ request }) => {
      try {
        const { status = 200, body } = await answer(data, request, restPath, userId);
        return Response.json(body, { status });
      } catch (error) {
        if (!(error instanceof CommError)) throw error;
        const { code, message } = error;
        return Response.json({ error: { code, message } }, { status: HTTP_STATUS[code as ServerErrorCode] });
      }
    }),
  ];
}

async function answer(
  data: RestData,
  request: Request,
  restPath: string,
  fallbackId: string,
): Promise<{ status?: number; body: unknown }> {
  const { pathname, searchParams } = new URL(request.url);
  const userId = request.headers.get('x-user-id') ?? searchParams.get('userId') ?? fallbackId;
  const query: Record<string, string | undefined> = Object.fromEntries(searchParams);
  const route = routeOf(request.method, pathname.slice(pathname.indexOf(restPath) + restPath.length));
  const { name, id } = route;
  switch (name) {
    case 'listConversations':
      return { body: paged('conversations', data.conversations(userId, query), query) };
    case 'createConversation':
      return { status: 201, body: data.create(userId, (await request.json()) as Parameters<RestData['create']>[1]) };
    case 'getConversation':
      return { body: data.conversation(userId, id) };
    case 'listMembers':
      return { body: data.members(userId, id, query) };
    case 'listBans':
      return { body: { bans: [], hasMore: false } };
    case 'listMessages':
      return { body: paged('messages', data.messages(userId, id, query), query) };
    case 'listPinned':
      return { body: data.pinned(userId, id, query) };
    case 'listChanges':
      return { body: data.changes(userId, id, Number(query['after'] ?? 0), query['limit']) };
    case 'searchMessages':
      return {
        body: paged(
          'messages',
          data.search(userId, query['q'] ?? '', searchParams.get('conversationId'), query['limit']),
          query,
        ),
      };
    case 'getMessage':
      return { body: data.message(userId, id) };
    case 'deleteMessage':
      return { body: data.delete(userId, id) };
    case 'linkPreviews':
      return { body: { previews: [] } };
    case 'searchUsers':
      throw new CommError('UNSUPPORTED', 'The search for users is disabled');
    case 'getUser':
      return { body: data.user(userId, id) };
  }
}

/** Wraps a list if the request asks for it. A list of full length may be followed by an empty one. */
function paged(name: string, rows: readonly unknown[], query: Readonly<Record<string, string | undefined>>): unknown {
  if (query['paged'] !== 'true') return rows;
  return { [name]: rows, hasMore: rows.length === Number(query['limit'] ?? PAGE_LIMITS.pageSize) };
}

/** Returns the first match in the order of the table, in which `/messages/search` precedes `/messages/:id`. */
function routeOf(method: string, path: string): { name: RestRouteName; id: string } {
  for (const [name, route] of Object.entries(REST_ROUTES)) {
    const pattern = new RegExp(`^${route.path.replace(':id', '([^/]+)')}$`);
    const found = route.method === method ? pattern.exec(path) : null;
    if (found !== null) return { name: name as RestRouteName, id: decodeURIComponent(found[1] ?? '') };
  }
  throw new CommError('NOT_FOUND', 'Not found');
}
