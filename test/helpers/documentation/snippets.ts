import { readFileSync } from 'node:fs';
import path from 'node:path';

export const root = path.resolve(import.meta.dirname, '../../..');

/** A fenced block of a page that has a file name behind its language: ```` ```js chat.mjs ````. */
export interface Snippet {
  readonly page: string;
  readonly line: number;
  readonly language: string;
  /** Absent for a block without a name. */
  readonly file: string | undefined;
  readonly code: string;
  /** What it says it prints: each `// → text` is a line. */
  readonly prints: readonly string[];
}

/** Every fenced block of a page, relative to the root of the package. */
export function snippetsOf(page: string): Snippet[] {
  const snippets: Snippet[] = [];
  const text = readFileSync(path.join(root, page), 'utf8');
  for (const match of text.matchAll(/^```(\w+)(?: (\S+))?\n(.*?)^```$/gms)) {
    const [, language = '', file, code = ''] = match;
    const line = text.slice(0, match.index).split('\n').length;
    const prints = Array.from(code.matchAll(/\/\/ → (.*)$/gm), ([, printed = '']) => printed);
    snippets.push({ page, line, language, file, code, prints });
  }
  return snippets;
}

/** The cells of the rows of every table below a heading, as they are written. */
export function tableBelow(page: string, heading: string): string[][] {
  const text = readFileSync(path.join(root, page), 'utf8');
  const start = text.indexOf(`## ${heading}\n`);
  if (start === -1) throw new Error(`${page} has no heading "${heading}"`);
  const section = text.slice(start).split(/\n## /)[0] ?? '';
  return section
    .split('\n')
    .filter((line) => line.startsWith('|') && !/^\|[-| ]+\|$/.test(line))
    .map((line) =>
      line
        .slice(1, -1)
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim()),
    );
}
