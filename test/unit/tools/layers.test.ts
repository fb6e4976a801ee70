import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

const root = path.resolve(import.meta.dirname, '../../..');

/**
 * For each rule a file that violates it. The imports are type-only where possible, because those are the easiest to
 * overlook.
 */
const PLANTED: readonly (readonly [rule: string, file: string, source: string])[] = [
  ['layer-lib', 'src/lib/planted.ts', "import type { Message } from '../protocol/index.ts';"],
  ['layer-protocol', 'src/protocol/planted.ts', "import type { SocketPort } from '../transport/socket-port.ts';"],
  ['layer-transport', 'src/transport/planted.ts', "import type { CommStorage } from '../storage/comm-storage.ts';"],
  ['layer-storage', 'src/storage/planted.ts', "import type { SocketPort } from '../transport/socket-port.ts';"],
  ['layer-client', 'src/client/planted.ts', "import type { A } from '../server/planted-a.ts';"],
  ['layer-media', 'src/media/planted.ts', "import type { SocketPort } from '../transport/socket-port.ts';"],
  ['layer-bindings', 'src/bindings/planted.ts', "import type { SocketPort } from '../transport/socket-port.ts';"],
  ['layer-react', 'src/react/planted.ts', "import type { A } from '../server/planted-a.ts';"],
  ['layer-vue', 'src/vue/planted.ts', "import type { A } from '../server/planted-a.ts';"],
  ['layer-svelte', 'src/svelte/planted.ts', "import type { A } from '../server/planted-a.ts';"],
  ['layer-lit', 'src/lit/planted.ts', "import type { A } from '../server/planted-a.ts';"],
  ['layer-devtools', 'src/devtools/planted.ts', "import type { A } from '../server/planted-a.ts';"],
  ['layer-node', 'src/node/planted.ts', "import type { B } from '../client/messages/planted-b.ts';"],
  ['layer-testing', 'src/testing/planted.ts', "import type { A } from '../server/planted-a.ts';"],
  ['layer-server', 'src/server/planted.ts', "import type { B } from '../client/messages/planted-b.ts';"],
  ['layer-missing', 'src/planted-layer/planted.ts', "import type { Message } from '../protocol/index.ts';"],
  ['layer-index', 'src/index.ts', "export type { A } from './server/planted-a.ts';"],
  ['index-is-for-apps', 'src/client/planted-index.ts', "import type { A } from '../index.ts';"],
  ['flows-know-no-sub-client', 'src/client/sync/planted.ts', "import type { B } from '../messages/planted-b.ts';"],
  ['flows-for-chat', 'src/client/calls/planted.ts', "import type { E } from '../outbox/planted-e.ts';"],
  [
    'connection-is-the-lowest-flow',
    'src/client/connection/planted.ts',
    "import type {} from '../outbox/planted-e.ts';",
  ],
  ['sub-clients-apart', 'src/client/presence/planted.ts', "import type { B } from '../messages/planted-b.ts';"],
  ['parts-below-comm-client', 'src/client/messages/planted.ts', "import type {} from '../comm-client.ts';"],
  ['nkc1-is-pure', 'src/client/encryption/nkc1/planted.ts', "import type {} from '../../planted-context.ts';"],
  [
    'nkc1-is-pure',
    'src/client/encryption/nkc1/planted-b.ts',
    "import type {} from '../../../storage/comm-storage.ts';",
  ],
  ['services-know-ports', 'src/server/services/planted.ts', "import '../handlers/planted-c.ts';"],
  ['handlers-call-services', 'src/server/handlers/planted.ts', "import '../store/planted-sqlite.ts';"],
  ['store-at-the-bottom', 'src/server/store/planted.ts', "import '../services/planted-d.ts';"],
  ['cluster-below-services', 'src/server/cluster/planted.ts', "import '../services/planted-d.ts';"],
  ['cli-and-testing-at-the-top', 'src/server/planted-top.ts', "import './testing/planted-f.ts';"],
  [
    'generator-replaced-by-the-build',
    'src/server/rest/planted-generator.ts',
    "import type {} from '../documents/generate/planted-g.ts';",
  ],
  ['sqlite-is-for-node', 'src/client/planted-file.ts', "import type {} from '../storage/file-planted.ts';"],
  ['sqlite-is-for-node', 'src/storage/planted-open.ts', "import type {} from '../lib/node-sqlite.ts';"],
  ['no-node-in-browsers', 'src/client/planted-core.ts', "import type { Server } from 'node:http';"],
  ['no-node-in-browsers', 'src/storage/planted-core.ts', "import { join } from 'path';"],
  ['external-socket.io-client', 'src/client/planted-socket.ts', "import type { Socket } from 'socket.io-client';"],
  ['external-thumbhash', 'src/client/planted-hash.ts', "import { rgbaToThumbHash } from 'thumbhash';"],
  ['external-idb-keyval', 'src/storage/planted-idb.ts', "import { get } from 'idb-keyval';"],
  [
    'external-@socket.io/component-emitter',
    'src/client/planted-emitter.ts',
    "import { Emitter } from '@socket.io/component-emitter';",
  ],
  ['external-socket.io', 'src/server/handlers/planted-io.ts', "import type { Server } from 'socket.io';"],
  ['external-@redis/client', 'src/server/services/planted-redis.ts', "import { createClient } from '@redis/client';"],
  ['external-kysely', 'src/server/services/planted-sql.ts', "import type { Kysely } from 'kysely';"],
  ['external-htmlparser2', 'src/server/services/planted-html.ts', "import { Parser } from 'htmlparser2';"],
  ['external-aws4fetch', 'src/server/services/planted-s3.ts', "import { AwsClient } from 'aws4fetch';"],
  [
    'external-@valibot/to-json-schema',
    'src/server/rest/planted-schema.ts',
    "import { toJsonSchema } from '@valibot/to-json-schema';",
  ],
  ['external-typescript', 'src/server/rest/planted-compiler.ts', "import ts from 'typescript';"],
  ['external-react', 'src/client/planted-react.ts', "import { useState } from 'react';"],
  ['external-vue', 'src/client/planted-vue.ts', "import { ref } from 'vue';"],
  ['external-svelte', 'src/client/planted-svelte.ts', "import type { Readable } from 'svelte/store';"],
  ['external-lit', 'src/client/planted-lit.ts', "import { html } from 'lit';"],
  ['external-sqlite', 'src/server/services/planted-sqlite.ts', "import { DatabaseSync } from 'node:sqlite';"],
  ['external-jose', 'src/server/planted-jwt.ts', "import { jwtVerify } from 'jose';"],
  ['external-valibot', 'src/client/planted-schema.ts', "import * as v from 'valibot';"],
  ['external-tweetnacl', 'src/client/encryption/planted-nacl.ts', "import nacl from 'tweetnacl';"],
  ['external-@noble/ciphers', 'src/client/planted-aead.ts', "import type {} from '@noble/ciphers/chacha.js';"],
  ['external-@noble/ed25519', 'src/client/encryption/planted-ed25519.ts', "import '@noble/ed25519';"],
  ['external-@noble/curves', 'src/client/encryption/planted-curve.ts', "import '@noble/curves/ed25519.js';"],
  ['external-@noble/hashes', 'src/lib/planted-hash.ts', "import { sha256 } from '@noble/hashes/sha2.js';"],
  ['dependencies-of-lumen-comm', 'src/client/planted-dev.ts', "import { chromium } from 'playwright';"],
  ['dependencies-of-lumen-comm', 'src/client/planted-server.ts', "import type { Server } from 'socket.io';"],
  ['dependencies-of-lumen-comm-server', 'src/server/planted-dev.ts', "import { chromium } from 'playwright';"],
  ['dependencies-of-lumen-comm-server', 'src/server/planted-client.ts', "import { io } from 'socket.io-client';"],
  ['dependencies-of-both', 'src/lib/planted-dev.ts', "import { chromium } from 'playwright';"],
  [
    'no-circular',
    'src/lib/planted-ring-a.ts',
    "import type { RingB } from './planted-ring-b.ts'; export type RingA = RingB;",
  ],
  ['no-test-code-in-src', 'src/lib/planted-helper.ts', "import '../../test/planted-help.ts';"],
  ['playground-by-name', 'playground/planted.ts', "import type { A } from '../src/server/planted-a.ts';"],
  ['resolvable', 'src/lib/planted-nowhere.ts', "import './planted-not-there.ts';"],
];

/** What the planted files import, and similar imports that are allowed. */
const INNOCENT: Readonly<Record<string, string>> = {
  'src/server/planted-a.ts': "import type { Server } from 'node:http'; export type A = Server;",
  'src/client/messages/planted-b.ts': "import type { E } from '../outbox/planted-e.ts'; export type B = E;",
  'src/server/handlers/planted-c.ts': "import '../services/planted-d.ts';",
  'src/server/services/planted-d.ts': "import '../store/planted-sqlite.ts';",
  'src/server/store/planted-sqlite.ts': "import 'kysely'; import '../../lib/node-sqlite.ts';",
  'src/client/outbox/planted-e.ts': "import type { Message } from '../../protocol/index.ts'; export type E = Message;",
  'src/server/testing/planted-f.ts': "import '../planted-a.ts';",
  'src/server/documents/generate/planted-g.ts': "import '@valibot/to-json-schema'; import 'typescript';",
  'src/server/documents/load-documents.ts': "import './generate/planted-g.ts';",
  'src/client/planted-context.ts': "import type { SocketPort } from '../transport/socket-port.ts';",
  'src/lib/planted-ring-b.ts': "import type { RingA } from './planted-ring-a.ts'; export type RingB = RingA | null;",
  'src/client/comm-client.ts': 'export {};',
  'src/storage/file-planted.ts': "import 'node:fs'; import '../lib/node-sqlite.ts';",
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
  const copied = [
    'src/lib',
    'src/protocol',
    'src/transport',
    'src/storage',
    'package.json',
    'packages/server/package.json',
    'tsconfig.json',
    '.dependency-cruiser.mjs',
  ];
  await Promise.all(copied.map((name) => cp(path.join(root, name), path.join(folder, name), { recursive: true })));
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
      // The exit code is the number of violations.
      if (stdout === '') reject(new Error('dependency-cruiser printed nothing', { cause: error }));
      else resolve((JSON.parse(stdout) as { summary: Summary }).summary);
    });
  });
}

test.each(PLANTED)('a violation of %s in %s is found', (rule, file) => {
  const caught = summary.violations.filter(({ from }) => from === file).map(({ rule: { name } }) => name);
  expect(caught).toContain(rule);
});

test('similar imports that are allowed pass', () => {
  const innocent = new Set(Object.keys(INNOCENT).filter((file) => !file.includes('ring')));
  expect(summary.violations.filter(({ from }) => innocent.has(from))).toEqual([]);
});

test('every rule has a planted violation', () => {
  const planted = new Set(PLANTED.map(([rule]) => rule));
  const rules = summary.ruleSetUsed.forbidden.map(({ name }) => name);
  expect(rules.filter((name) => !planted.has(name))).toEqual([]);
  expect(rules.length).toBeGreaterThan(20);
});
