import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';

export const root = path.resolve(import.meta.dirname, '../../..');

/** The README of each package and every page below `docs`, relative to the root of the repository. Generated pages are left out. */
export const PAGES: readonly string[] = [
  'README.md',
  'packages/server/README.md',
  ...globSync('docs/**/*.md', { cwd: root, exclude: ['docs/api/**'] }).toSorted(),
];

/** A fenced code block of a page, optionally with a file name after its language: ```` ```js chat.mjs ````. */
export interface Snippet {
  readonly page: string;
  readonly line: number;
  readonly language: string;
  /** Absent if the block has no file name. */
  readonly file: string | undefined;
  readonly code: string;
  /** The expected output: one line per comment `// → text`. */
  readonly prints: readonly string[];
}

/** Returns every fenced code block of a page. The path is relative to the root of the repository. */
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

/** Returns the cells of all table rows below a second-level heading, up to the next heading, as Markdown. */
export function tableBelow(page: string, heading: string): string[][] {
  const text = readFileSync(path.join(root, page), 'utf8');
  const start = text.indexOf(`## ${heading}\n`);
  if (start === -1) throw new Error(`${page} has no heading "${heading}"`);
  const section = text.slice(start).split(/\n###? /)[0] ?? '';
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
