import { availableParallelism } from 'node:os';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import { playwright } from '@vitest/browser-playwright';
import { defineConfig } from 'vitest/config';
import { launchOptions } from './scripts/chromium.ts';

const seconds = 1_000;
const CALLS_IN_BROWSERS = [
  'test/e2e/calls.test.ts',
  'test/e2e/call-leaks.test.ts',
  'test/e2e/playground/calls.test.ts',
];

/** Tests of SQLite itself, and of server processes, which take a file. */
const OF_SQLITE = [
  'checkpoints',
  'cli',
  'drivers',
  'group-commit',
  'long-reads',
  'migrate',
  'outages',
  'query-plans',
  'schema',
  'search-index',
  'takeover',
].map((name) => `test/integration/server/${name}.test.ts`);

export default defineConfig({
  test: {
    restoreMocks: true,
    unstubGlobals: true,
    // Without this Vitest leaves one processor idle. Many tests wait for timers and sockets, so two run even on one.
    maxWorkers: Math.max(availableParallelism(), 2),
    // Generous, so that a slow machine fails no test.
    testTimeout: 120 * seconds,
    hookTimeout: 120 * seconds,
    expect: { poll: { timeout: 60 * seconds } },
    projects: [
      { extends: true, test: { name: 'unit', environment: 'node', include: ['test/{unit,interop}/**/*.test.ts'] } },
      {
        extends: true,
        test: {
          name: 'integration',
          environment: 'node',
          include: ['test/integration/**/*.test.ts'],
          exclude: ['test/integration/{postgres,cluster}/**'],
        },
      },
      {
        extends: true,
        test: {
          // Several servers on one Postgres and one Redis.
          name: 'processes',
          environment: 'node',
          include: ['test/integration/cluster/**/*.test.ts'],
        },
      },
      {
        extends: true,
        test: {
          // What is particular to Postgres: statements, schema, outages, takeover.
          name: 'postgres',
          environment: 'node',
          include: ['test/integration/postgres/**/*.test.ts'],
          globalSetup: './test/helpers/postgres/global-setup.ts',
          setupFiles: './test/helpers/postgres/close-after-file.ts',
        },
      },
      {
        extends: true,
        test: {
          // The same tests of the server with a database in Postgres.
          name: 'integration-postgres',
          environment: 'node',
          include: ['test/integration/server/**/*.test.ts'],
          exclude: OF_SQLITE,
          globalSetup: './test/helpers/postgres/global-setup.ts',
          setupFiles: './test/helpers/postgres/close-after-file.ts',
        },
      },
      {
        extends: true,
        test: {
          // A server that lies between honest clients with encryption.
          name: 'adversary',
          environment: 'node',
          include: ['test/adversary/**/*.test.ts'],
        },
      },
      {
        extends: true,
        plugins: [svelte({ configFile: false })],
        // Components rendered on a server: compiled for it, without a document.
        test: { name: 'ssr', environment: 'node', include: ['test/ssr/**/*.test.ts'] },
      },
      {
        extends: true,
        plugins: [svelte({ configFile: false })],
        // Found by Vite while tests run, these packages would reload the page.
        optimizeDeps: {
          include: [
            'axe-core',
            'react',
            'react-dom',
            'react-dom/client',
            'react-dom/server',
            'vue',
            'vue/server-renderer',
            'lit',
            'svelte',
          ],
        },
        test: {
          name: 'browser',
          include: ['test/browser/**/*.test.ts'],
          globalSetup: './test/browser/global-setup.ts',
          testTimeout: 180 * seconds,
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            provider: playwright({ launchOptions: launchOptions() }),
            instances: [{ browser: 'chromium' }],
          },
        },
      },
      {
        extends: true,
        test: {
          // Whole browsers, controlled from outside: several tabs, networks that fail, crashes.
          name: 'e2e',
          environment: 'node',
          include: ['test/e2e/*.test.ts'],
          exclude: CALLS_IN_BROWSERS,
          globalSetup: './test/e2e/global-setup.ts',
          testTimeout: 480 * seconds,
        },
      },
      {
        extends: true,
        test: {
          name: 'e2e-playground',
          environment: 'node',
          include: ['test/e2e/playground/*.test.ts'],
          exclude: CALLS_IN_BROWSERS,
          testTimeout: 480 * seconds,
        },
      },
      {
        extends: true,
        test: {
          // Video is encoded on the processor: one file at a time.
          name: 'e2e-calls',
          environment: 'node',
          include: CALLS_IN_BROWSERS,
          globalSetup: './test/e2e/global-setup.ts',
          fileParallelism: false,
          testTimeout: 480 * seconds,
        },
      },
      {
        extends: true,
        test: {
          // Real processes that are killed, and connections that are cut. `npm run soak` runs more seeds.
          name: 'faults',
          environment: 'node',
          include: ['test/faults/**/*.test.ts'],
          testTimeout: 300 * seconds,
        },
      },
      {
        extends: true,
        test: {
          // Several server processes on one Postgres and one Redis. `npm run soak:cluster` runs more seeds.
          name: 'cluster',
          environment: 'node',
          include: ['test/cluster/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 600 * seconds,
        },
      },
      {
        extends: true,
        test: {
          // Hostile clients against a server process with default limits, whose memory and answers are watched.
          name: 'attacks',
          environment: 'node',
          include: ['test/attacks/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 300 * seconds,
        },
      },
      {
        extends: true,
        test: {
          // Apps of examples/ and of a guide, installed from npm as a new user does, and used in Chromium.
          name: 'examples',
          environment: 'node',
          include: ['test/examples/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 300 * seconds,
          hookTimeout: 300 * seconds,
        },
      },
      {
        extends: true,
        test: {
          name: 'packaging',
          environment: 'node',
          include: ['test/packaging/**/*.test.ts'],
          hookTimeout: 300 * seconds,
        },
      },
      {
        extends: true,
        test: {
          name: 'types',
          include: [],
          typecheck: {
            enabled: true,
            only: true,
            include: ['test/types/**/*.test-d.ts'],
            tsconfig: './test/types/tsconfig.json',
          },
        },
      },
    ],
  },
});
