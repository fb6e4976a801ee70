/**
 * How fast the built package is, as ratios to floors measured in the same run: `npm run bench [-- --quick] [--json]`.
 * `--only <text>` takes the parts whose name has the text. Never fails for being slow.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { encryption } from './encryption.ts';
import { firstFrame } from './calls.ts';
import { summarize, type Result, type Summary } from './measure.ts';
import { startProcess } from './process.ts';
import { machine, table } from './report.ts';
import { reads } from './rest.ts';
import { seed } from './seed.ts';
import { commSide, relaySide } from './sides.ts';
import { connects, fanOut, latency, pipelined } from './sockets.ts';

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
  },
});

const sizes = options.quick
  ? {
      sequential: 400,
      pipelined: 1_000,
      receivers: 50,
      fanOut: 100,
      connects: 50,
      rounds: 3,
      requests: 150,
      setUps: 10,
      roundTrips: 30,
      stored: [100_000],
    }
  : {
      sequential: 2_000,
      pipelined: 5_000,
      receivers: 50,
      fanOut: 500,
      connects: 200,
      rounds: 5,
      requests: 600,
      setUps: 30,
      roundTrips: 100,
      stored: [100_000, 1_000_000],
    };

const directory = await mkdtemp(path.join(tmpdir(), 'lumen-comm-bench-'));
const started = performance.now();
const summaries: Summary[] = [];
try {
  if (!options.json) console.log(machine());
  await overSockets();
  for (const messages of sizes.stored) await overRest(messages);
  await encrypting();
  if ('calls'.includes(options.only)) take(await firstFrame(sizes));
  if (!options.json) console.log(`\n${table(summaries)}\n\n${Math.round((performance.now() - started) / 1_000)} s`);
  else console.log(JSON.stringify({ machine: machine(), results: summaries }, undefined, 2));
} finally {
  await rm(directory, { recursive: true, force: true });
}
// Clients that were left behind may still be saying goodbye.
process.exit(0);

async function overSockets(): Promise<void> {
  const parts = { latency, pipelined, 'fan-out': fanOut, connects };
  const wanted = Object.entries(parts).filter(([name]) => name.includes(options.only));
  if (wanted.length === 0) return;
  await using ours = await startProcess('./comm-child.ts', path.join(directory, 'sockets.sqlite'));
  await using floor = await startProcess('./relay-child.ts');
  const sides = { ours: commSide(ours.url), floor: relaySide(floor.url) };
  for (const [, measure] of wanted) take(await measure(sides, sizes));
}

async function overRest(messages: number): Promise<void> {
  if (!`reads ${messages}`.includes(options.only)) return;
  const start = performance.now();
  const seeded = await seed(path.join(directory, `${messages}.sqlite`), messages);
  say(`seeded ${messages} messages in ${Math.round(performance.now() - start)} ms`);
  await using ours = await startProcess('./comm-child.ts', seeded.file);
  await using floor = await startProcess('./canned-child.ts');
  for (const result of await reads({ ours: ours.url, floor: floor.url }, seeded, messages, sizes)) take(result);
}

async function encrypting(): Promise<void> {
  if (!'encryption'.includes(options.only)) return;
  for (const result of await encryption(sizes)) take(result);
}

function take(result: Result): void {
  const summary = summarize(result);
  summaries.push(summary);
  say(`${summary.name}: ${summary.ratio.toFixed(2)}`);
}

function say(text: string): void {
  if (!options.json) console.log(text);
}
