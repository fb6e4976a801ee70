import { readFileSync } from 'node:fs';
import path from 'node:path';
import { root } from '../steps.ts';

interface Page {
  readonly text: string;
  /** Path below the site, without its extension. */
  readonly link: string;
}

interface Group {
  readonly text: string;
  readonly collapsed?: boolean;
  readonly items: readonly Page[];
}

/** The folder with the sources of all pages. */
export const docs = path.join(root, 'docs');

/** Where `typedoc` and `writeProtocolPages` put generated pages. Ignored by Git. */
export const generated = path.join(docs, 'api');

/** Modules in the order of the exports of both packages. The link is the name of the page that typedoc writes. */
export const MODULES: readonly Page[] = [
  ['lumen-comm', 'index'],
  ['lumen-comm/media', 'media'],
  ['lumen-comm/react', 'react'],
  ['lumen-comm/vue', 'vue'],
  ['lumen-comm/svelte', 'svelte'],
  ['lumen-comm/lit', 'lit'],
  ['lumen-comm/protocol', 'protocol'],
  ['lumen-comm/node', 'node'],
  ['lumen-comm/testing', 'testing'],
  ['lumen-comm/devtools', 'devtools'],
  ['lumen-comm-server', 'server'],
  ['lumen-comm-server/testing', 'server/testing'],
].map(([text = '', name = '']) => ({ text, link: `/api/${name}` }));

const GUIDES: readonly (readonly [group: string, ...pages: readonly string[]])[] = [
  ['Introduction', 'index', 'getting-started', 'comparison'],
  ['Frameworks', 'frameworks', 'react', 'vue', 'svelte', 'lit', 'lumenjs'],
  [
    'Client',
    'connecting',
    'authentication',
    'conversations',
    'offline',
    'files',
    'errors',
    'troubleshooting',
    'bundle-size',
  ],
  ['Calls and encryption', 'calls', 'encryption', 'security'],
  ['Server', 'server', 'deployment', 'scaling', 'operations', 'server-api', 'moderation'],
  ['Testing and speed', 'testing', 'devtools', 'benchmarks'],
  ['Migrating', 'migrating-from-stream', 'migrating-from-sendbird'],
];

/** Returns the first heading of a page. */
function titleOf(file: string): string {
  const title = /^# (.+)$/m.exec(readFileSync(file, 'utf8'))?.[1];
  if (title === undefined) throw new Error(`${file} has no heading`);
  return title.replaceAll(/[`\\]/g, '');
}

function guide(name: string): Page {
  return { text: titleOf(path.join(docs, `${name}.md`)), link: `/${name}` };
}

/** The records in the order of their list. */
function decisions(): Page[] {
  const list = readFileSync(path.join(docs, 'decisions/README.md'), 'utf8');
  return Array.from(list.matchAll(/\[(\d+\. [^\]]+)\]\(([\w-]+)\.md\)/g), ([, text = '', file = '']) => ({
    text: text.replaceAll('`', ''),
    link: `/decisions/${file}`,
  })).toSorted((a, b) => Number.parseInt(a.text, 10) - Number.parseInt(b.text, 10));
}

/** Returns all pages of the site in groups, as its sidebar shows them. */
export function navigation(): Group[] {
  return [
    ...GUIDES.map(([text, ...pages]) => ({ text, items: pages.map(guide) })),
    { text: 'API reference', items: [{ text: 'Modules', link: '/api/README' }, ...MODULES] },
    {
      text: 'Protocol',
      items: [
        guide('protocol-additions'),
        guide('api-documents'),
        { text: 'REST reference', link: '/api/rest' },
        { text: 'Socket reference', link: '/api/sockets' },
      ],
    },
    {
      text: 'Internals',
      collapsed: true,
      items: [guide('architecture'), { text: 'Decision records', link: '/decisions/README' }, ...decisions()],
    },
  ];
}
