import { createCommunicationRoutes } from 'lumen-comm-server';
import { useDb } from '@lumenjs/db';

const routes = createCommunicationRoutes({
  db: useDb(),
  config: { restPath: '/api/comm' },
  getUserId: (headers) => headers['x-user-id']?.toString(),
});

interface LumenRequest {
  method: string;
  url: string;
  query: Record<string, string>;
  body?: unknown;
  nkAuth?: { user?: { sub?: string } } | null;
}

export async function answer({ method, url, query, body, nkAuth }: LumenRequest): Promise<unknown> {
  const address = new URL(url, 'http://localhost');
  for (const [name, value] of Object.entries(query)) address.searchParams.set(name, value);
  // Only the user that LumenJS authenticated, never a header of the request.
  const headers = { 'content-type': 'application/json', 'x-user-id': nkAuth?.user?.sub ?? '' };
  const init = body === undefined ? { method, headers } : { method, headers, body: JSON.stringify(body) };
  const response = await routes(new Request(address, init));
  const result: unknown = await response.json();
  if (response.ok) return result;
  throw Object.assign(new Error(`The chat returned status ${response.status}`), { status: response.status });
}
