/** Runs the random adversary: `node test/adversary/run.ts [steps] [first seed]`. Prints "N passed, N failed". */
import { runRandomAdversary } from './random-adversary.ts';

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const STEPS_PER_RUN = 500;
const [total = 100_000, firstSeed = 1] = process.argv.slice(2).map(Number);
const sums = { steps: 0, sent: 0, read: 0, failed: 0 };
let [passed, failed, mostRounds] = [0, 0, 0];

for (let seed = firstSeed; sums.steps < total; seed += 1) {
  const names = seed % 2 === 0 ? ['alice', 'bob'] : ['alice', 'bob', 'cleo'];
  try {
    const outcome = await runRandomAdversary(names, STEPS_PER_RUN, seed);
    for (const key of ['sent', 'read', 'failed'] as const) sums[key] += outcome[key];
    mostRounds = Math.max(mostRounds, outcome.rounds);
    passed += 1;
  } catch (error) {
    failed += 1;
    print(`seed ${seed}, ${names.length} users: ${error instanceof Error ? error.message : String(error)}`);
  }
  sums.steps += STEPS_PER_RUN;
}
print(JSON.stringify({ ...sums, mostRounds }));
print(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
