/**
 * Runs the checks of both packages and prints the sum in the last line: `N passed, N failed`.
 * `npm test -- lint tests` runs the named steps and the steps they depend on. The slow steps run only when they are named.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Counts, root, runSteps, type Step } from './steps.ts';

const results = mkdtempSync(path.join(tmpdir(), 'lumen-comm-test-'));

interface VitestReport {
  numPassedTests: number;
  numFailedTests: number;
  numPendingTests: number;
  testResults: { status: string; assertionResults: unknown[] }[];
}

/** @param projects - of vitest.config.ts */
function vitest(name: string, projects: readonly string[], more: Partial<Step> = {}): Step {
  const file = path.join(results, `${name}.json`);
  const chosen = projects.flatMap((project) => ['--project', project]);
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${file}`];
  const report = (): VitestReport | undefined =>
    existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as VitestReport) : undefined;
  return {
    name,
    command: ['vitest', 'run', ...chosen, ...reporters],
    alone: true,
    count(): Counts | undefined {
      const read = report();
      if (read === undefined) return undefined;
      // A file that failed to load has no tests to count. It counts as one failure.
      const unloaded = read.testResults.filter(
        (each) => each.status === 'failed' && each.assertionResults.length === 0,
      );
      return { passed: read.numPassedTests, failed: read.numFailedTests + unloaded.length };
    },
    note() {
      const skipped = report()?.numPendingTests ?? 0;
      return skipped > 0 ? `, ${skipped} skipped` : '';
    },
    ...more,
  };
}

const steps: Step[] = [
  { name: 'build', command: ['tsdown', '--logLevel', 'warn'] },
  { name: 'format', command: ['oxfmt', '--check'] },
  { name: 'chromium', command: ['node', 'scripts/chromium.ts'], note: (output) => `: ${output.trim()}` },
  // These read the declarations in dist, of which the playground imports some.
  { name: 'typecheck', command: ['tsc', '-p', '.'], after: ['build'] },
  { name: 'lint', command: ['oxlint', '--max-warnings', '0'], after: ['build'] },
  {
    name: 'layers',
    command: ['depcruise', '--config', '.dependency-cruiser.mjs', 'src', 'playground'],
    after: ['build'],
  },
  { name: 'knip', command: ['knip', '--treat-config-hints-as-errors'], after: ['build'] },
  { name: 'publint', command: ['publint', '--strict'], needs: ['build'] },
  { name: 'publint-server', command: ['publint', '--strict', 'packages/server'], needs: ['build'] },
  { name: 'attw', command: ['attw', '--pack', '.', '--profile', 'esm-only'], needs: ['build'] },
  { name: 'attw-server', command: ['attw', '--pack', 'packages/server', '--profile', 'esm-only'], needs: ['build'] },
  {
    name: 'size',
    command: ['size-limit'],
    needs: ['build'],
    note: (output) => `: ${Array.from(output.matchAll(/Size:\s+(\S+ \S+)/g), ([, size]) => size).join(', ')}`,
  },
  { name: 'typedoc', command: ['typedoc', '--emit', 'none'] },
  ...(existsSync(path.join(root, 'playground/vite.config.ts'))
    ? [{ name: 'playground', command: ['vite', 'build', 'playground'], needs: ['build'] } as const]
    : []),
  vitest('tests', ['unit', 'types', 'ssr', 'integration', 'browser'], {
    after: ['build', 'chromium', 'playground'],
  }),
  vitest('e2e', ['e2e'], { after: ['build', 'chromium'], needs: ['playground'] }),
  vitest('e2e-playground', ['e2e-playground'], { after: ['build', 'chromium'], needs: ['playground'] }),
  vitest('e2e-calls', ['e2e-calls'], { after: ['build', 'chromium'], needs: ['playground'] }),
  vitest('attacks', ['attacks'], { after: ['build'] }),
  vitest('faults', ['faults'], { after: ['build'] }),
  vitest('cluster', ['cluster'], { after: ['build'] }),
  // The adversary waits for answers, and packaging for npm and compilers: they run side by side.
  vitest('integration-postgres', ['integration-postgres', 'postgres', 'processes'], { after: ['build'] }),
  vitest('adversary', ['adversary'], { alone: false, after: ['build'] }),
  vitest('packaging', ['packaging'], { alone: false, needs: ['build'] }),
  // Installs from npm's registry.
  vitest('examples', ['examples'], { needs: ['build'], after: ['chromium'] }),
];

/** Steps that `.ci/run` names, because they would take `npm test` over ten minutes. */
const SLOW: ReadonlySet<string> = new Set([
  'integration-postgres',
  'cluster',
  'adversary',
  'packaging',
  'examples',
  'e2e',
  'e2e-playground',
  'e2e-calls',
  'attacks',
]);

function chosen(names: readonly string[]): Step[] {
  const unknown = names.filter((name) => !steps.some((step) => step.name === name));
  if (unknown.length > 0) {
    throw new Error(`No such step: ${unknown.join(', ')}. There are: ${steps.map(({ name }) => name).join(', ')}`);
  }
  const wanted = new Set(names);
  for (const { name, needs = [], after = [] } of steps.toReversed()) {
    if (wanted.has(name)) for (const earlier of [...needs, ...after]) wanted.add(earlier);
  }
  return steps.filter(({ name }) => wanted.has(name));
}

console.log(`Node ${process.version}`);
const names = process.argv.slice(2);
const { passed, failed } = await runSteps(
  names.length === 0 ? steps.filter(({ name }) => !SLOW.has(name)) : chosen(names),
);
rmSync(results, { recursive: true, force: true });
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
