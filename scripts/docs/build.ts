/**
 * Builds the documentation into the folder `site`, without a network: the guides, the references generated from source
 * code and schemas, the index for the search, `llms.txt` and `llms-full.txt`. A dead link fails the build.
 *
 * `DOCS_URL` is the address of the published site: its path becomes the base of all links, and a sitemap is written.
 * `DOCS_OUT` is another folder. `node scripts/docs/build.ts serve` serves the guides while they are edited.
 */
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import path from 'node:path';
import { build, createServer } from 'vitepress';
import { root, toolEnvironment } from '../steps.ts';
import { writeLlmsFiles } from './llms.ts';
import { nameModules } from './module-pages.ts';
import { generated } from './navigation.ts';
import { writeProtocolPages } from './protocol-pages.ts';

const site = process.env['DOCS_OUT'] ?? path.join(root, 'site');

rmSync(generated, { recursive: true, force: true });
execFileSync('typedoc', ['--options', 'scripts/docs/typedoc.json'], {
  cwd: root,
  env: toolEnvironment,
  stdio: 'inherit',
});
nameModules();
writeProtocolPages();
if (process.argv[2] === 'serve') {
  const server = await createServer(import.meta.dirname);
  await server.listen();
  server.printUrls();
} else {
  await build(import.meta.dirname);
  writeLlmsFiles(site);
}
