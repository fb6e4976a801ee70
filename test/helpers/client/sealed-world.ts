import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { CommClientOptions } from '../../../src/index.ts';
import type { CommServerOptions } from '../../../src/server/index.ts';
import { temporaryDirectory } from '../temporary-directory.ts';
import type { App } from './app.ts';
import { encrypting } from './encryption.ts';
import { direct, startWorld, type World } from './world.ts';

export interface SealedWorld extends World {
  readonly alice: App;
  readonly bob: App;
  readonly conversationId: string;
  /** The bytes of the files that the server stores, by path. */
  readonly stored: () => Promise<Map<string, Buffer>>;
}

/** A server with files, and a conversation of alice and bob with encryption. @param options - of alice's client */
export async function startSealed(
  options: CommClientOptions = {},
  server: CommServerOptions = {},
): Promise<SealedWorld> {
  const directory = await temporaryDirectory();
  const world = await startWorld({ files: directory.path, ...server });
  onTestFinished(() => directory[Symbol.asyncDispose]());
  const [alice, bob] = await Promise.all([encrypting(world, 'alice', options), encrypting(world, 'bob')]);
  const stored = (): Promise<Map<string, Buffer>> => filesIn(directory.path);
  return { ...world, alice, bob, conversationId: await direct(alice, bob), stored };
}

/** Reads all files of a directory, by path. */
export async function filesIn(path: string): Promise<Map<string, Buffer>> {
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  return new Map(await Promise.all(paths.map(async (each) => [each, await readFile(each)] as const)));
}
