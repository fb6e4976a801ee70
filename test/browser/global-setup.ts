import type { TestProject } from 'vitest/node';
import { createCommServer } from '../../src/server/index.ts';
import { silentLogger } from '../../src/lib/logger.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Origin of a server in memory that all tests of the run share. */
    serverUrl: string;
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
  return () => server.close();
}
