import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { docs, MODULES } from './navigation.ts';

/** Types of validation schemas have hundreds of lines. Highlighted, they would make a page of 3 MB. */
const LONGEST_CODE_LINES = 40;

/** Gives the pages of typedoc the names by which modules are imported, and shortens long types. */
export function nameModules(): void {
  for (const { text: name, link } of MODULES) {
    const file = path.join(docs, `${link}.md`);
    let sections = 0;
    const text = readFileSync(file, 'utf8')
      .replace(/^# .*$/m, `# ${name}`)
      // The anchors that links of typedoc name, in the syntax of VitePress. Pages have no HTML.
      .replaceAll(/^<a id="([^"]+)"><\/a>\n\n(#+ .*)$/gm, '$2 {#$1}')
      .replaceAll(/<a id="[^"]+"><\/a> ?/g, '')
      // An anchor that VitePress makes up for "Parameters" or "Returns" could be that of a member.
      .replaceAll(/^(##+ [^{\n]*)$/gm, (heading) => `${heading} {#section-${(sections += 1)}}`)
      .replaceAll(/^```ts\n(.*?)^```$/gms, (block, code: string) => {
        const lines = code.split('\n');
        if (lines.length <= LONGEST_CODE_LINES) return block;
        return ['```ts', ...lines.slice(0, LONGEST_CODE_LINES), '// …', '```'].join('\n');
      });
    writeFileSync(file, text);
  }
}
