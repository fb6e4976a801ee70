import { asyncApi, type AsyncApi } from './async-api.ts';
import { openApi, type OpenApi } from './open-api.ts';
import { ProtocolComments } from './read-comments.ts';

/** The generated documents. */
export interface Documents {
  readonly openapi: OpenApi;
  readonly asyncapi: AsyncApi;
}

/** Generates the documents from the schemas and comments of `src/protocol`. Needs the sources: the build calls it. */
export function generateDocuments(): Documents {
  const comments = new ProtocolComments();
  return { openapi: openApi(comments), asyncapi: asyncApi(comments) };
}
