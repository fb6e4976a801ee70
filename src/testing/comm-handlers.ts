import { CommError, HTTP_STATUS, type ServerErrorCode } from '../protocol/errors.ts';
import { DEFAULT_REST_PATH, REST_ROUTES, type RestRouteName } from '../protocol/vocabulary.ts';
import { RestData, type RestDataOptions } from './rest-data.ts';

/** As much of MSW's `http` as it takes, so that this package needs no MSW of its own. */
export interface MswHttp<Handler> {
  all: (path: string, resolver: (info: { request: Request }) => Promise<Response>) => Handler;
}

export interface CommHandlersOptions<Handler> extends RestDataOptions {
  /** `http` of the app's own `msw`. */
  http: MswHttp<Handler>;
  /** Origin of the server. @defaultValue `'*'`: whatever the origin */
  url?: string | undefined;
  /** @defaultValue `'/__nk_comm'` */
  restPath?: string | undefined;
  /** Who asks, where a request doesn't say: one with a token, say. @defaultValue `'ann'` */
  userId?: string | undefined;
}

/**
 * The REST part of the protocol as handlers of Mock Service Worker 2 or 3, for tests of what an app shows: history, search,
 * lists. It answers from memory, in the types of our server; what it is asked to create or delete stays so. There are no
 * sockets and no rules of membership beyond "only what you are in": for those there is `startTestServer`.
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
      return { body: data.conversations(userId, query) };
    case 'createConversation':
      return { status: 201, body: data.create(userId, (await request.json()) as Parameters<RestData['create']>[1]) };
    case 'getConversation':
      return { body: data.conversation(userId, id) };
    case 'listMessages':
      return { body: data.messages(userId, id, query) };
    case 'listChanges':
      return { body: data.changes(userId, id, Number(query['after'] ?? 0), query['limit']) };
    case 'searchMessages':
      return { body: data.search(userId, query['q'] ?? '', searchParams.get('conversationId'), query['limit']) };
    case 'getMessage':
      return { body: data.message(userId, id) };
    case 'deleteMessage':
      return { body: data.delete(userId, id) };
  }
}

/** The table's order decides between `/messages/search` and `/messages/:id`. */
function routeOf(method: string, path: string): { name: RestRouteName; id: string } {
  for (const [name, route] of Object.entries(REST_ROUTES)) {
    const pattern = new RegExp(`^${route.path.replace(':id', '([^/]+)')}$`);
    const found = route.method === method ? pattern.exec(path) : null;
    if (found !== null) return { name: name as RestRouteName, id: decodeURIComponent(found[1] ?? '') };
  }
  throw new CommError('NOT_FOUND', 'Not found');
}
