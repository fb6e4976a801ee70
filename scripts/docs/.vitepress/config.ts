import { readFileSync } from 'node:fs';
import path from 'node:path';
import { defineConfig } from 'vitepress';
import { root } from '../../steps.ts';
import { docs, navigation } from '../navigation.ts';

const { DOCS_URL } = process.env;
const icon = readFileSync(path.join(root, 'playground/public/favicon.svg'), 'utf8');
/** Numbers keep their unit, and descriptions stay readable beside long names on phones, where tables scroll. */
const TABLES = `
.vp-doc td[style*='right'] { white-space: nowrap; }
@media (max-width: 640px) {
  .vp-doc :is(th, td) { padding: 6px 10px; }
  .vp-doc td:nth-child(n + 3):last-child:not([style*='right']) { min-width: 14em; }
}`;
const sidebar = navigation().map(({ items, ...group }) => ({ ...group, items: [...items] }));

/** Returns the anchor that GitHub gives to a heading, so that a link works there and on the site. */
function slugify(heading: string): string {
  return heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(/\s/g, '-');
}

export default defineConfig({
  title: 'lumen-comm',
  description: 'Chat, calls and end-to-end encryption for web apps',
  lang: 'en',
  head: [
    ['link', { rel: 'icon', type: 'image/svg+xml', href: `data:image/svg+xml,${encodeURIComponent(icon)}` }],
    ['style', {}, TABLES],
  ],
  srcDir: docs,
  outDir: process.env['DOCS_OUT'] ?? path.join(root, 'site'),
  base: DOCS_URL === undefined ? '/' : new URL(DOCS_URL).pathname,
  ...(DOCS_URL !== undefined && { sitemap: { hostname: DOCS_URL } }),
  markdown: {
    html: false, // Pages contain texts such as `Promise<T>` and no HTML.
    anchor: { slugify },
    config(md) {
      // Sources of the repository aren't part of the site: links to them become texts.
      md.core.ruler.push('repository-links', ({ tokens, env }) => {
        const { relativePath = '' } = env as { relativePath?: string };
        for (const { children } of tokens) {
          let inside = false;
          for (const token of children ?? []) {
            const href = token.type === 'link_open' ? token.attrGet('href') : null;
            const target = href === null ? '' : path.posix.join(path.posix.dirname(relativePath), href);
            if (href !== null && !/^\w+:/.test(href) && target.startsWith('../')) inside = true;
            if (!inside) continue;
            if (token.type === 'link_close') inside = false;
            if (token.type === 'link_open' || token.type === 'link_close') {
              token.type = 'text';
              token.content = '';
            }
          }
        }
      });
    },
  },
  themeConfig: {
    nav: [
      { text: 'Guides', link: '/' },
      { text: 'API', link: '/api/README' },
      { text: 'Protocol', link: '/protocol-additions' },
      { text: 'Comparison', link: '/comparison' },
    ],
    sidebar,
    outline: [2, 3],
    search: { provider: 'local' },
    externalLinkIcon: true,
  },
});
