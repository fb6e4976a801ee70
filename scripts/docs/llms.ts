import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { docs, navigation } from './navigation.ts';

/** Returns the first paragraph of a page that is text. */
function summaryOf(text: string): string {
  const paragraph = text.split(/\n{2,}/).find((each) => /^[A-Z`]/.test(each.trim())) ?? '';
  const [sentence = ''] = paragraph
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .split(/(?<=[.:]) /);
  return sentence.trim();
}

/** Writes the list of all pages for language models (https://llmstxt.org), and all guides and decisions in one file. */
export function writeLlmsFiles(site: string): void {
  const base = (process.env['DOCS_URL'] ?? '').replace(/\/$/, '');
  const lines = [
    '# lumen-comm',
    '',
    '> Chat, calls and end-to-end encryption for web apps: a typed client, and a server.',
    '',
  ];
  const full: string[] = [];
  for (const { text: group, items } of navigation()) {
    lines.push(`## ${group}`, '');
    for (const { text: title, link } of items) {
      const text = readFileSync(path.join(docs, `${link}.md`), 'utf8');
      const summary = summaryOf(text);
      lines.push(`- [${title}](${base}${link}.html)${summary === '' ? '' : `: ${summary}`}`);
      if (!link.startsWith('/api/')) full.push(text.trim());
    }
    lines.push('');
  }
  writeFileSync(path.join(site, 'llms.txt'), lines.join('\n'));
  writeFileSync(path.join(site, 'llms-full.txt'), `${full.join('\n\n---\n\n')}\n`);
}
