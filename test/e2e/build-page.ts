import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { build } from 'vite';

/**
 * Builds the test page as an app is built, with a chunk for each `import()` of the client.
 *
 * @returns its directory, which the caller removes
 */
export async function buildPage(): Promise<string> {
  const directory = await mkdtemp(path.join(tmpdir(), 'lumen-comm-page-'));
  const root = path.join(import.meta.dirname, 'page');
  await build({
    root,
    configFile: false,
    logLevel: 'warn',
    build: {
      outDir: directory,
      emptyOutDir: true,
      target: 'es2022',
      modulePreload: false,
      rolldownOptions: {
        input: { index: path.join(root, 'index.html'), 'service-worker': path.join(root, 'service-worker.ts') },
        output: {
          entryFileNames: ({ name }) => (name === 'service-worker' ? '[name].js' : 'assets/[name]-[hash].js'),
        },
      },
    },
  });
  return directory;
}
