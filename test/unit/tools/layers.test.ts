import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

const root = path.resolve(import.meta.dirname, '../../..');

/** Each rule, who breaks it, and with what: always a type-only import where one is possible, as the hardest to see. */
const PLANTED: readonly (readonly [rule: string, file: string, source: string])[] = [
  ['layer-lib', 'src/lib/planted.ts', "import type { Message } from '../protocol/index.ts';"],
  ['layer-protocol', 'src/protocol/planted.ts', "import type { SocketPort } from '../transport/socket-port.ts';"],
  ['layer-transport', 'src/transport/planted.ts', "import type { CommStorage } from '../storage/comm-storage.ts';"],
  ['layer-storage', 'src/storage/planted.ts', "import type { SocketPort } from '../transport/socket-port.ts';"],
  ['layer-client', 'src/client/planted.ts', "import type { A } from '../server/planted-a.ts';"],
  ['layer-server', 'src/server/planted.ts', "import type { B } from '../client/messages/planted-b.ts';"],
  ['layer-react', 'src/react/planted.ts', "import type { A } from '../server/planted-a.ts';"],
  ['layer-lit', 'src/lit/planted.ts', "import type { A } from '../server/planted-a.ts';"],
  ['layer-node', 'src/node/planted.ts', "import type { A } from '../server/planted-a.ts';"],
  ['layer-testing', 'src/testing/planted.ts', "import type { B } from '../client/messages/planted-b.ts';"],
  ['layer-index', 'src/index.ts', "export type { A } from './server/planted-a.ts';"],
  ['layer-cli', 'src/cli.ts', "import type { B } from './client/messages/planted-b.ts';"],
  ['index-is-a-face', 'src/client/planted-face.ts', "import type { A } from '../index.ts';"],
  ['sub-clients-apart', 'src/client/presence/planted.ts', "import type { B } from '../messages/planted-b.ts';"],
  ['sub-clients-below-comm-client', 'src/client/messages/planted.ts', "import type {} from '../comm-client.ts';"],
  ['server-services-apart-from-handlers', 'src/server/services/planted.ts', "import '../handlers/planted-c.ts';"],
  ['server-store-at-the-bottom', 'src/server/store/planted.ts', "import '../services/planted-d.ts';"],
  ['file-storage-is-for-node', 'src/client/planted-file.ts', "import type {} from '../storage/file.ts';"],
  ['node-built-ins', 'src/client/planted-core.ts', "import type { Server } from 'node:http';"],
  ['node-built-ins', 'src/storage/planted-core.ts', "import { join } from 'path';"],
  ['sqlite-in-the-store', 'src/server/services/planted-sqlite.ts', "import { DatabaseSync } from 'node:sqlite';"],
  ['outside-socket.io-client', 'src/client/planted-socket.ts', "import type { Socket } from 'socket.io-client';"],
  ['outside-idb-keyval', 'src/storage/planted-idb.ts', "import { get } from 'idb-keyval';"],
  ['outside-eventemitter3', 'src/client/planted-emitter.ts', "import { EventEmitter } from 'eventemitter3';"],
  ['outside-socket.io', 'src/server/handlers/planted-io.ts', "import type { Server } from 'socket.io';"],
  ['outside-kysely', 'src/server/services/planted-sql.ts', "import type { Kysely } from 'kysely';"],
  ['outside-better-sqlite3', 'src/server/planted-driver.ts', "import type { Database } from 'better-sqlite3';"],
  ['outside-pg', 'src/server/planted-pg.ts', "import type { Pool } from 'pg';"],
  ['outside-jose', 'src/server/planted-jwt.ts', "import { jwtVerify } from 'jose';"],
  ['outside-valibot', 'src/client/planted-schema.ts', "import * as v from 'valibot';"],
  ['outside-tweetnacl', 'src/client/encryption/planted-nacl.ts', "import nacl from 'tweetnacl';"],
  ['outside-@noble/ciphers', 'src/client/planted-aead.ts', "import type {} from '@noble/ciphers/chacha.js';"],
  ['outside-@noble/ed25519', 'src/client/encryption/planted-ed25519.ts', "import '@noble/ed25519';"],
  ['outside-@noble/curves', 'src/client/encryption/planted-curve.ts', "import '@noble/curves/ed25519.js';"],
  ['outside-@noble/hashes', 'src/lib/planted-hash.ts', "import { sha256 } from '@noble/hashes/sha2.js';"],
  [
    'no-circular',
    'src/lib/planted-ring-a.ts',
    "import type { RingB } from './planted-ring-b.ts'; export type RingA = RingB;",
  ],
  ['no-test-code-in-src', 'src/lib/planted-helper.ts', "import '../../test/planted-help.ts';"],
  ['playground-by-name', 'playground/planted.ts', "import type { A } from '../src/server/planted-a.ts';"],
  ['declared-dependencies', 'src/server/planted-dev.ts', "import { chromium } from 'playwright';"],
  ['resolvable', 'src/lib/planted-nowhere.ts', "import './planted-not-there.ts';"],
];

/** What the planted ones import, and what is allowed though it looks alike. */
const INNOCENT: Readonly<Record<string, string>> = {
  'src/server/planted-a.ts': "import type { Server } from 'node:http'; export type A = Server;",
  'src/client/messages/planted-b.ts':
    "import type { Message } from '../../protocol/index.ts'; export type B = Message;",
  'src/server/handlers/planted-c.ts': "import '../services/planted-d.ts';",
  'src/server/services/planted-d.ts': 'export {};',
  'src/server/store/planted-sqlite.ts': "import 'node:sqlite'; import 'kysely';",
  'src/lib/planted-ring-b.ts': "import type { RingA } from './planted-ring-a.ts'; export type RingB = RingA | null;",
  'src/client/comm-client.ts': 'export {};',
  'src/storage/file.ts': "import 'node:fs';",
  'test/planted-help.ts': 'export {};',
};

interface Summary {
  violations: { from: string; to: string; rule: { name: string } }[];
  ruleSetUsed: { forbidden: { name: string }[] };
}

let folder: string;
let summary: Summary;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'layers-'));
  const copied = ['src/lib', 'src/protocol', 'src/transport', 'src/storage', 'package.json', 'tsconfig.json'];
  await Promise.all(copied.map((name) => cp(path.join(root, name), path.join(folder, name), { recursive: true })));
  await cp(path.join(root, '.dependency-cruiser.mjs'), path.join(folder, '.dependency-cruiser.mjs'));
  await symlink(path.join(root, 'node_modules'), path.join(folder, 'node_modules'), 'dir');
  const files = [...Object.entries(INNOCENT), ...PLANTED.map(([, file, source]) => [file, source] as const)];
  for (const [file, source] of files) {
    await mkdir(path.dirname(path.join(folder, file)), { recursive: true });
    await writeFile(path.join(folder, file), source);
  }
  summary = await cruise(folder);
});

afterAll(() => rm(folder, { recursive: true, force: true }));

function cruise(cwd: string): Promise<Summary> {
  const cli = path.join(root, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
  const args = [cli, '--config', '.dependency-cruiser.mjs', '--output-type', 'json', 'src', 'playground'];
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { cwd, maxBuffer: 64_000_000 }, (error, stdout) => {
      // Violations make it exit with their number.
      if (stdout === '') reject(new Error('dependency-cruiser said nothing', { cause: error }));
      else resolve((JSON.parse(stdout) as { summary: Summary }).summary);
    });
  });
}

test.each(PLANTED)('the layer check catches a planted violation of %s in %s', (rule, file) => {
  const caught = summary.violations.filter(({ from }) => from === file).map(({ rule: { name } }) => name);
  expect(caught).toContain(rule);
});

test('what looks alike and is allowed passes', () => {
  const innocent = new Set(Object.keys(INNOCENT).filter((file) => !file.includes('ring')));
  expect(summary.violations.filter(({ from }) => innocent.has(from))).toEqual([]);
});

test('every rule has been seen to catch something', () => {
  const planted = new Set(PLANTED.map(([rule]) => rule));
  const rules = summary.ruleSetUsed.forbidden.map(({ name }) => name);
  expect(rules.filter((name) => !planted.has(name))).toEqual([]);
  expect(rules.length).toBeGreaterThan(20);
});
