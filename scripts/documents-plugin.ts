import type { TsdownPlugin } from 'tsdown';
import { generateDocuments } from '../src/server/documents/generate/generate.ts';

/** The module that loads the documents, of which the build makes another one. */
const LOADER = /[\\/]src[\\/]server[\\/]documents[\\/]load-documents\.ts$/;

/** Files of the package, next to the modules that import them. */
const FILES = { openapi: './openapi.json', asyncapi: './asyncapi.json' } as const;

/**
 * Writes the OpenAPI and AsyncAPI documents into the package and lets the server import them, so that it ships neither the
 * generator nor the packages that the generator needs.
 */
export function documentsPlugin(): TsdownPlugin {
  return {
    name: 'documents',
    resolveId(source) {
      return Object.values<string>(FILES).includes(source) ? { id: source, external: true } : undefined;
    },
    load: {
      filter: { id: LOADER },
      handler() {
        const imports = Object.entries(FILES).map(([name, file]) => [
          name,
          `import('${file}', { with: { type: 'json' } })`,
        ]);
        return {
          moduleType: 'js',
          code: [
            'export async function loadDocuments() {',
            `  const [${imports.map(([name]) => name).join(', ')}] = await Promise.all([`,
            ...imports.map(([, code]) => `    ${code},`),
            '  ]);',
            `  return { ${imports.map(([name]) => `${name}: ${name}.default`).join(', ')} };`,
            '}',
          ].join('\n'),
        };
      },
    },
    generateBundle() {
      for (const [name, document] of Object.entries(generateDocuments())) {
        this.emitFile({ type: 'asset', fileName: `${name}.json`, source: JSON.stringify(document) });
      }
    },
  };
}
