import { tableBelow } from '../documentation/snippets.ts';

/** Returns the names of metrics, without labels and suffixes of a histogram. */
export function metricNames(samples: ReadonlyMap<string, number>): ReadonlySet<string> {
  return new Set(
    Array.from(samples.keys(), (sample) => sample.replace(/\{.*$/, '').replace(/_(?:bucket|sum|count)$/, '')),
  );
}

/** Returns the names of the metrics in a table of a page. */
export function documentedMetrics(page: string, heading: string): ReadonlySet<string> {
  const names = tableBelow(page, heading).flatMap(([cell = '']) => cell.match(/(?:lumen_comm|process)_\w+/g) ?? []);
  return new Set(names);
}

/** Reads `GET /metrics` of a server. Returns the value of each sample by its name with labels. Throws for a line that is not valid. */
export async function readMetrics(url: string): Promise<ReadonlyMap<string, number>> {
  const response = await fetch(`${url}/metrics`);
  const type = response.headers.get('content-type');
  if (response.status !== 200 || type !== 'text/plain; version=0.0.4; charset=utf-8') {
    throw new Error(`/metrics answered ${response.status}, ${type}`);
  }
  const text = await response.text();
  if (!text.endsWith('\n')) throw new Error('The last line is not ended');
  const samples = new Map<string, number>();
  let family = '';
  for (const line of text.slice(0, -1).split('\n')) {
    const [, kind, named] = /^# (HELP|TYPE) (\w+) .+$/.exec(line) ?? [];
    if (kind === 'HELP' && named !== undefined) family = named;
    if (kind !== undefined && named === family) continue;
    const [, sample = '', name = '', value = ''] = /^((\w+)(?:\{\w+="[^"]*"\})?) (\S+)$/.exec(line) ?? [];
    const isOfFamily = name.replace(/_(?:bucket|sum|count)$/, '') === family || name === family;
    if (!isOfFamily || samples.has(sample) || !Number.isFinite(Number(value))) throw new Error(`Not valid: ${line}`);
    samples.set(sample, Number(value));
  }
  return samples;
}
