import { isCommError, type CommunicationApi } from 'lumen-comm-server';

const PATH = '/playground/reports';
/** Who sees the reports. An app checks the token of the caller here; the playground has no passwords. */
const MODERATOR = 'moderator';

export function isModeration({ url }: Request): boolean {
  const { pathname } = new URL(url);
  return pathname === PATH || pathname.startsWith(`${PATH}/`);
}

/**
 * Answers the moderator's requests by the server API: `GET /playground/reports?after=…` lists the open reports, and
 * `POST /playground/reports/:id?action=dismiss`, or `action=delete&conversation=…&message=…`, closes one.
 */
export async function moderate(request: Request, api: CommunicationApi): Promise<Response> {
  // Pages of other origins can't send this header.
  if (request.headers.get('x-playground-user') !== MODERATOR) return Response.json({}, { status: 403 });
  const { pathname, searchParams } = new URL(request.url);
  const reportId = pathname.slice(PATH.length + 1);
  try {
    if (request.method === 'GET' && reportId === '')
      return Response.json(await api.moderation.reports({ after: searchParams.get('after') ?? undefined }));
    const action = searchParams.get('action');
    if (request.method !== 'POST' || reportId === '' || (action !== 'dismiss' && action !== 'delete'))
      return Response.json({}, { status: 404 });
    if (action === 'delete') {
      const conversationId = searchParams.get('conversation') ?? '';
      await api.messages.delete({ conversationId, messageId: searchParams.get('message') ?? '' });
    }
    return Response.json(await api.moderation.resolve({ reportId, by: MODERATOR, resolution: action }));
  } catch (error) {
    if (!isCommError(error)) throw error;
    return Response.json({ code: error.code }, { status: error.code === 'UNAVAILABLE' ? 503 : 400 });
  }
}
