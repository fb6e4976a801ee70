import type { Documents } from './generate/generate.ts';

/**
 * Loads the documents. The build replaces this module by one that imports the files `openapi.json` and `asyncapi.json` of the
 * package; from the sources, they are generated.
 */
export async function loadDocuments(): Promise<Documents> {
  const { generateDocuments } = await import('./generate/generate.ts');
  return generateDocuments();
}
