import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { docs, MODULES } from './navigation.ts';

/** Gives the pages of typedoc the names by which modules are imported, and shortens the types of schemas. */
export function nameModules(): void {
  for (const { text: name, link } of MODULES) {
    const file = path.join(docs, `${link}.md`);
    let sections = 0;
    const text = readFileSync(file, 'utf8')
      .replace(/^# .*$/m, `# ${name}`)
      // The anchors that links of typedoc name, in the syntax of VitePress. Pages have no HTML.
      .replaceAll(/^<a id="([^"]+)"><\/a>\n\n(#+ .*)$/gm, '$2 {#$1}')
      .replaceAll(/^\| <a id="([^"]+)"><\/a> (`[^`]+`)/gm, '| $2{#$1}')
      .replaceAll(/<a id="[^"]+"><\/a> ?/g, '')
      // An anchor that VitePress makes up for "Parameters" or "Returns" could be that of a member.
      .replaceAll(/^(##+ [^{\n]*)$/gm, (heading) => `${heading} {#section-${(sections += 1)}}`)
      // The text below a schema names the type that it validates. Its own type has hundreds of lines, which would make a page
      // of 2 MB.
      .replaceAll(/^(const \w+: (?:\w+Schema|SchemaWithPipe))<.*?>;$(?=\n```)/gms, '$1<…>;')
      .replaceAll(/(`(?:\w+Schema|SchemaWithPipe)`)\\<.*\\>(?= \|)/g, '$1\\<…\\>');
    writeFileSync(file, text);
  }
}
