/** Paths of the generated documents, relative to the REST path. */
export const DOCUMENT_PATHS = { openapi: '/openapi.json', asyncapi: '/asyncapi.json' } as const;
/** Name of a generated document. */
export type DocumentName = keyof typeof DOCUMENT_PATHS;
