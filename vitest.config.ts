import { playwright } from '@vitest/browser-playwright';
import { defineConfig } from 'vitest/config';
import { launchOptions } from './scripts/chromium.ts';

const seconds = 1_000;

export default defineConfig({
  test: {
    restoreMocks: true,
    unstubGlobals: true,
    // How many run at once follows from the processors; a slow machine gets time instead of a flaky test.
    testTimeout: 20 * seconds,
    hookTimeout: 30 * seconds,
    expect: { poll: { timeout: 15 * seconds } },
    projects: [
      { extends: true, test: { name: 'unit', environment: 'node', include: ['test/{unit,interop}/**/*.test.ts'] } },
      {
        extends: true,
        test: {
          name: 'integration',
          environment: 'node',
          include: ['test/integration/**/*.test.ts'],
          testTimeout: 30 * seconds,
        },
      },
      {
        extends: true,
        test: {
          name: 'browser',
          include: ['test/browser/**/*.test.ts'],
          testTimeout: 60 * seconds,
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
          // Whole browsers, driven from outside: several tabs, networks that go away, crashes.
          name: 'e2e',
          environment: 'node',
          include: ['test/e2e/**/*.test.ts'],
          globalSetup: './test/e2e/global-setup.ts',
          expect: { poll: { timeout: 30 * seconds } },
          testTimeout: 120 * seconds,
          hookTimeout: 120 * seconds,
        },
      },
      {
        extends: true,
        test: {
          // Real processes that are killed, lines that are cut. Many seeds of it: `npm run soak`.
          name: 'faults',
          environment: 'node',
          include: ['test/faults/**/*.test.ts'],
          testTimeout: 180 * seconds,
          hookTimeout: 60 * seconds,
        },
      },
      {
        extends: true,
        test: {
          name: 'packaging',
          environment: 'node',
          include: ['test/packaging/**/*.test.ts'],
          testTimeout: 120 * seconds,
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
