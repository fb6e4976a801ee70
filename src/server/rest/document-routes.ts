import { createHash } from 'node:crypto';
import type { ResolvedConfig } from '../config.ts';
import { DOCUMENT_PATHS, type DocumentName } from '../documents/document-paths.ts';
import { loadDocuments } from '../documents/load-documents.ts';
import type { ServerCore } from '../server-core.ts';
import type { RestRequest, RestResponse } from './rest-request.ts';

/** A document as it is sent. */
interface Served {
  readonly body: string;
  /** Identifies the content. */
  readonly etag: string;
}

/** Bytes that cost as much as a small request. */
const BYTES_PER_WORK = 16_384;

const served = new WeakMap<ResolvedConfig, Promise<Readonly<Record<DocumentName, Served>>>>();

/** Finds the document that a request asks for; `undefined` for other requests. */
export function matchDocument(method: string, pathname: string, restPath: string): DocumentName | undefined {
  if (method !== 'GET' && method !== 'HEAD') return undefined;
  return (Object.keys(DOCUMENT_PATHS) as DocumentName[]).find((name) => pathname === restPath + DOCUMENT_PATHS[name]);
}

/**
 * Answers with a document. It contains nothing about users, so no credentials are needed: the request is charged to the
 * address of the peer, and without addresses to all peers together.
 */
export async function documentResponse(
  { config, services: { budgets } }: ServerCore,
  { headers, address = '' }: RestRequest,
  name: DocumentName,
): Promise<RestResponse> {
  const documents = served.get(config) ?? load(config);
  const { body, etag } = (await documents)[name];
  const responseHeaders = {
    etag,
    'cache-control': 'public, max-age=300',
    'x-content-type-options': 'nosniff',
  };
  const isKnown = headers['if-none-match'] === etag;
  budgets.chargeAnonymousRequest(address, isKnown ? 1 : 1 + body.length / BYTES_PER_WORK);
  if (isKnown) return { status: 304, headers: responseHeaders, body: '' };
  return { status: 200, headers: { ...responseHeaders, 'content-type': 'application/json; charset=utf-8' }, body };
}

/** Loads the documents and sets the paths of this server. */
function load(config: ResolvedConfig): Promise<Readonly<Record<DocumentName, Served>>> {
  const loading = loadDocuments().then(({ openapi, asyncapi }) => {
    const { server } = asyncapi.servers;
    const { socket } = asyncapi.channels;
    return {
      openapi: serve({ ...openapi, servers: [{ url: config.restPath }] }),
      asyncapi: serve({
        ...asyncapi,
        servers: { server: { ...server, pathname: config.path } },
        channels: { socket: { ...socket, address: config.namespace } },
      }),
    };
  });
  served.set(config, loading);
  // The next request tries again.
  loading.catch(() => served.delete(config));
  return loading;
}

function serve(document: object): Served {
  const body = JSON.stringify(document);
  return { body, etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"` };
}
