import type { IncomingMessage, ServerResponse } from 'node:http';
import type { BaseData } from './data.ts';

export interface RestOptions {
  /** @defaultValue '/__nk_comm' */
  restPath: string;
  /** `paged` supports pages; `newest` always returns the newest 50 messages or conversations, like LumenJS's routes. */
  history: 'paged' | 'newest';
  /** Whether `GET /conversations/:id/messages` exists. */
  messagesOfConversation: boolean;
  /** `GET /messages/search`: absent, or matched as a conversation of that id (200 and an empty list). */
  messagesSearch: 'absent' | 'conversation';
}

type Answer = readonly [status: number, body: unknown];
const NOT_FOUND: Answer = [404, { error: 'Not found' }];

/** Answers requests under the REST path. Returns `false` for all others. */
export function answerRest(
  request: IncomingMessage,
  response: ServerResponse,
  data: BaseData,
  options: RestOptions,
): boolean {
  const url = new URL(request.url ?? '/', 'http://localhost');
  if (!url.pathname.startsWith(`${options.restPath}/`)) return false;
  const path = url.pathname.slice(options.restPath.length + 1);
  const header = request.headers['x-user-id'];
  const userId = typeof header === 'string' ? header : (url.searchParams.get('userId') ?? '');
  void route(request, path, url.searchParams, userId, data, options).then(
    ([status, body]) => send(response, status, body),
    (error: unknown) => send(response, 500, { error: error instanceof Error ? error.message : 'Internal error' }),
  );
  return true;
}

async function route(
  request: IncomingMessage,
  path: string,
  query: URLSearchParams,
  userId: string,
  data: BaseData,
  options: RestOptions,
): Promise<Answer> {
  const segments = path.split('/').map(decodeURIComponent);
  const [first, second, third] = segments;
  const known = first === 'conversations' || first === 'messages' || first === 'search';
  if (!known) return NOT_FOUND;
  if (userId === '') return [401, { error: 'Unauthorized' }];
  if (request.method === 'POST' && path === 'conversations') {
    const body = JSON.parse(await readBody(request)) as { type: string; name?: string; participantIds?: string[] };
    const row = data.addConversation(body.type, body.name, [userId, ...(body.participantIds ?? [])]);
    return [201, row];
  }
  if (request.method !== 'GET') return NOT_FOUND;
  if (path === 'conversations') {
    if (options.history === 'newest') return [200, data.conversationsOf(userId, 50, 0)];
    return [200, data.conversationsOf(userId, number(query.get('limit'), 50), number(query.get('offset'), 0))];
  }
  if (path === 'search') return [200, data.search(query.get('q') ?? '', 20)];
  const history = (conversationId: string): Answer => {
    if (options.history === 'newest') return [200, data.messagesOf(conversationId, 50, undefined)];
    return [200, data.messagesOf(conversationId, number(query.get('limit'), 50), query.get('before') ?? undefined)];
  };
  if (first === 'messages' && segments.length === 2 && second !== undefined) {
    return second === 'search' && options.messagesSearch === 'absent' ? NOT_FOUND : history(second);
  }
  if (options.messagesOfConversation && segments.length === 3 && third === 'messages' && second !== undefined) {
    return history(second);
  }
  return NOT_FOUND;
}

function number(text: string | null, otherwise: number): number {
  return text === null || !/^\d+$/.test(text) ? otherwise : Number(text);
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
