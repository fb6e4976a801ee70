import path from 'node:path';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import type { Component } from 'svelte';
import { createServer } from 'vite';
import type { TestProject } from 'vitest/node';
import { createCommServer } from '../../src/server/index.ts';
import { CommClient } from '../../src/client/comm-client.ts';
import { silentLogger } from '../../src/lib/logger.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Origin of a server in memory that all tests of the run share. */
    serverUrl: string;
    /** What a server has rendered of the component that the test of hydration hydrates. */
    svelteHtml: string;
  }
}

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const server = await createCommServer({
    port: 0,
    database: ':memory:',
    logger: silentLogger,
    // A page that stalls shows who types, too.
    config: { typingTimeoutMs: 60_000 },
  });
  project.provide('serverUrl', server.url);
  project.provide('svelteHtml', await renderSvelte());
  return () => server.close();
}

async function renderSvelte(): Promise<string> {
  const vite = await createServer({
    configFile: false,
    root: path.resolve(import.meta.dirname, '../..'),
    logLevel: 'error',
    appType: 'custom',
    plugins: [svelte({ configFile: false })],
    server: { middlewareMode: true, hmr: false, ws: false },
  });
  try {
    const component = await vite.ssrLoadModule('/test/browser/bindings/svelte/hydrated.svelte');
    // The module that the component was compiled for.
    const { render } = (await vite.ssrLoadModule('svelte/server')) as typeof import('svelte/server');
    return render(component['default'] as Component<{ client: CommClient }>, { props: { client: new CommClient() } })
      .body;
  } finally {
    await vite.close();
  }
}
