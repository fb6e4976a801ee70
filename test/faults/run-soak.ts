import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import type { Outcome } from './scenario.ts';

/** Number of seeds that together do everything, even what is rare. */
const SEEDS_FOR_ALL = 20;

/** What the users of every scenario do. */
export const USER_ACTIONS: readonly string[] = [
  'send',
  'reply',
  'mention',
  'edit',
  'delete',
  'react',
  'pin',
  'read',
  'read thread',
  'unread',
  'profile',
  'create',
  'rename',
  'add',
  'flag',
  'removals',
  'bans',
  'clientKills',
];

/**
 * Runs the seeds of the command line: `--seeds 20 --from 1 --parallel 2 --verbose`. Prints a summary of each seed and its
 * failures, and a last line `N passed, N failed`. Ends the process.
 *
 * @param actions - what 20 seeds must have done
 */
export async function soak(
  runSeed: (seed: number, log: (line: string) => void) => Promise<Outcome>,
  actions: readonly string[],
): Promise<void> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '20' },
      from: { type: 'string', default: '1' },
      parallel: { type: 'string', default: String(availableParallelism()) },
      verbose: { type: 'boolean', default: false },
    },
  });
  const [seeds, from, parallel] = [Number(values.seeds), Number(values.from), Number(values.parallel)];
  const outcomes: Outcome[] = [];
  let next = from;
  const startedAt = performance.now();
  const lane = async (): Promise<void> => {
    while (next < from + seeds) {
      const seed = next;
      next += 1;
      const log = (line: string): void => {
        if (values.verbose) console.log(`  ${seed}: ${line} at ${Math.round(performance.now() - startedAt)} ms`);
      };
      const outcome = await runSeed(seed, log).catch((error: unknown): Outcome => ({
        seed,
        problems: [`crashed: ${String((error as Error).stack)}`],
        figures: {},
      }));
      outcomes.push(outcome);
      report(outcome);
    }
  };
  await Promise.all(Array.from({ length: parallel }, lane));

  const total: Record<string, number> = {};
  for (const { figures } of outcomes) {
    for (const [name, value] of Object.entries(figures)) total[name] = (total[name] ?? 0) + value;
  }
  // A scenario that no longer does something would pass as well.
  const missing = seeds < SEEDS_FOR_ALL ? [] : actions.filter((action) => (total[action] ?? 0) === 0);
  if (missing.length > 0) console.log(`Never done: ${missing.join(', ')}`);
  const failed = outcomes.filter(({ problems }) => problems.length > 0).map(({ seed }) => seed);
  console.log(`All: ${describe(total)}, in ${Math.round((performance.now() - startedAt) / 1_000)} s`);
  if (failed.length > 0) console.log(`Failing seeds: ${failed.sort((a, b) => a - b).join(' ')}`);
  console.log(`${outcomes.length - failed.length} passed, ${failed.length} failed`);
  process.exit(failed.length + missing.length === 0 ? 0 : 1);
}

function report({ seed, problems, figures }: Outcome): void {
  console.log(`${problems.length === 0 ? '✓' : '✗'} seed ${seed}: ${describe(figures)}`);
  for (const problem of problems.slice(0, 12)) console.log(`    ${problem.slice(0, 700)}`);
  if (problems.length > 12) console.log(`    and ${problems.length - 12} more`);
}

function describe(figures: Outcome['figures']): string {
  return Object.entries(figures)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
}
