import { rm } from 'node:fs/promises';
import type { TestProject } from 'vitest/node';
import { buildPage } from './build-page.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Directory of the built test page. */
    pageDirectory: string;
  }
}

export async function setup(project: TestProject): Promise<() => Promise<void>> {
  const directory = await buildPage();
  project.provide('pageDirectory', directory);
  return () => rm(directory, { recursive: true, force: true });
}
