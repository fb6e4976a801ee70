import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { build } from 'vite';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Where the built test page is. */
    pageDirectory: string;
  }
}

/** Builds the test page as an app is built: every `import()` of the client is a chunk of its own. */
export async function setup(project: TestProject): Promise<() => Promise<void>> {
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
  project.provide('pageDirectory', directory);
  return () => rm(directory, { recursive: true, force: true });
}
