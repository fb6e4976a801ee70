import * as v from 'valibot';
import { BoundedMap } from '../../lib/bounded-map.ts';
import type { Clock } from '../../lib/clock.ts';
import type { LimitUse } from './ephemera.ts';
import { COUNT, SPEND } from './ephemera-scripts.ts';
import type { RedisScript } from './redis-commands.ts';

/** Dependencies of {@link RedisLimits}. */
export interface RedisLimitsDeps {
  readonly clock: Clock;
  readonly processId: string;
  readonly deadAfter: string;
  /** Runs a script. Rejects without an answer. */
  readonly ask: (script: RedisScript, keys: readonly string[], args: readonly string[]) => Promise<unknown>;
  /** Returns the name of a key with its prefix. */
  readonly key: (name: string) => string;
  readonly failed: (error: unknown) => void;
}

interface Report {
  readonly use: LimitUse;
  readonly left: (tokens: number) => void;
}

const COUNT_MS = 15_000;
const MAX_COUNTS = 10_000;
/** Reports in one command. Redis takes some microseconds for each. */
const REPORTS_PER_COMMAND = 200;

const numbersSchema = v.array(v.pipe(v.union([v.string(), v.number()]), v.transform(Number)));

/** What a process uses of the limits that processes share. The reports of one turn of the event loop are sent together. */
export class RedisLimits {
  readonly #deps: RedisLimitsDeps;
  #reports: Report[] = [];
  readonly #counts = new Map<string, number>();
  readonly #elsewhere = new BoundedMap<string, { readonly count: number; readonly at: number }>(MAX_COUNTS);
  #isScheduled = false;

  constructor(deps: RedisLimitsDeps) {
    this.#deps = deps;
  }

  spend(use: LimitUse, left: (tokens: number) => void): void {
    this.#reports.push({ use, left });
    this.#schedule();
  }

  count(key: string, value: number): void {
    this.#counts.set(key, value);
    this.#schedule();
  }

  countElsewhere(key: string): number {
    const known = this.#elsewhere.get(key);
    return known === undefined || this.#deps.clock.now() - known.at > COUNT_MS ? 0 : known.count;
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      const reports = this.#reports;
      this.#reports = [];
      for (let at = 0; at < reports.length; at += REPORTS_PER_COMMAND) {
        this.#report(reports.slice(at, at + REPORTS_PER_COMMAND)).catch(this.#deps.failed);
      }
      const counts = [...this.#counts];
      this.#counts.clear();
      for (let at = 0; at < counts.length; at += REPORTS_PER_COMMAND) {
        this.#tell(counts.slice(at, at + REPORTS_PER_COMMAND)).catch(this.#deps.failed);
      }
    });
  }

  async #report(reports: readonly Report[]): Promise<void> {
    const { ask, key } = this.#deps;
    const keys = reports.map(({ use }) => key(`limit:${use.key}`));
    const args = reports.flatMap(({ use }) => [use.tokens, use.burst, use.perSecond].map(String));
    const left = v.parse(numbersSchema, await ask(SPEND, keys, args));
    for (const [place, tokens] of left.entries()) reports[place]?.left(tokens);
  }

  async #tell(counts: readonly [key: string, value: number][]): Promise<void> {
    const { ask, key, clock, processId, deadAfter } = this.#deps;
    const keys = [key('processes'), ...counts.map(([name]) => key(`count:${name}`))];
    const args = [processId, deadAfter, String(COUNT_MS), ...counts.map(([, value]) => String(value))];
    const others = v.parse(numbersSchema, await ask(COUNT, keys, args));
    for (const [place, [name]] of counts.entries()) {
      // Set as the newest key.
      this.#elsewhere.delete(name);
      this.#elsewhere.set(name, { count: others[place] ?? 0, at: clock.now() });
    }
  }
}
