import { cpus, loadavg, totalmem } from 'node:os';
import type { Summary } from './measure.ts';

export function machine(): string {
  const [cpu] = cpus();
  return `Node ${process.version}, ${cpus().length} × ${cpu?.model ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB, load ${loadavg()[0]?.toFixed(1) ?? ''}`;
}

export function table(summaries: readonly Summary[]): string {
  const head = ['', 'lumen-comm', 'baseline', 'ratio', 'span', 'target', ''];
  const rows = summaries.map(({ name, unit, lumen, baseline, ratio, lowest, highest, target, met }) => [
    name,
    `${figure(lumen)} ${unit}`,
    `${figure(baseline)} ${unit}`,
    ratio.toFixed(2),
    `${lowest.toFixed(2)}–${highest.toFixed(2)}`,
    target === undefined ? '' : `≤ ${target}`,
    met === undefined ? '' : met ? 'met' : 'missed',
  ]);
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))).join(' | ')} |`;
  const rule = `|${widths.map((width, column) => (column === 0 ? '-'.repeat(width + 2) : `${'-'.repeat(width + 1)}:`)).join('|')}|`;
  return [line(head), rule, ...rows.map(line)].join('\n');
}

function figure(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(1);
}
