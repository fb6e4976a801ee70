import { execFile } from 'node:child_process';
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { Parser } from 'htmlparser2';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { root } from '../helpers/documentation/snippets.ts';

const site = mkdtempSync(path.join(tmpdir(), 'lumen-comm-site-'));
const origin = 'https://docs.example.com';
const base = '/chat/';

interface Page {
  readonly file: string;
  readonly ids: ReadonlySet<string>;
  readonly links: readonly string[];
  /** Addresses that the browser requests with the page. */
  readonly requests: readonly string[];
  readonly sidebar: ReadonlySet<string>;
}

function readPage(file: string): Page {
  const ids = new Set<string>();
  const sidebar = new Set<string>();
  const links: string[] = [];
  const requests: string[] = [];
  let asides = 0;
  const parser = new Parser({
    onopentag(name, { id, href, src, rel, class: classes = '' }) {
      if (id !== undefined) ids.add(id);
      if (name === 'aside' && (asides > 0 || classes.includes('VPSidebar'))) asides += 1;
      if (name === 'a' && href !== undefined && asides > 0) sidebar.add(href);
      else if (name === 'a' && href !== undefined) links.push(href);
      if (src !== undefined) requests.push(src);
      if (name === 'link' && href !== undefined && rel !== 'canonical') requests.push(href);
    },
    onclosetag(name) {
      if (name === 'aside' && asides > 0) asides -= 1;
    },
  });
  parser.end(readFileSync(path.join(site, file), 'utf8'));
  return { file, ids, links, requests, sidebar };
}

const pages = new Map<string, Page>();

beforeAll(async () => {
  await promisify(execFile)(process.execPath, ['scripts/docs/build.ts'], {
    cwd: root,
    env: { ...process.env, NODE_ENV: 'production', DOCS_OUT: site, DOCS_URL: `${origin}${base}` },
  });
  for (const file of globSync('**/*.html', { cwd: site })) if (file !== '404.html') pages.set(file, readPage(file));
}, 900_000);

afterAll(() => rmSync(site, { recursive: true, force: true }));

test('every page of the documentation is in the sidebar', () => {
  const sources = globSync('**/*.md', { cwd: path.join(root, 'docs') }).map((file) => file.replace(/\.md$/, '.html'));
  expect([...pages.keys()].toSorted()).toEqual(sources.toSorted());
  const sidebar = pages.get('index.html')?.sidebar ?? new Set();
  const addressOf = (file: string): string => `${base}${file.replace(/(^|\/)index\.html$/, '$1')}`;
  expect([...pages.keys()].filter((file) => !sidebar.has(addressOf(file)) && !sidebar.has(base + file))).toEqual([]);
});

test('every link leads to an existing page and heading', () => {
  const dead: string[] = [];
  for (const { file, links } of pages.values()) {
    for (const link of links) {
      const url = new URL(link, `${origin}${base}${file}`);
      if (url.origin !== origin) continue;
      const target = url.pathname.slice(base.length).replace(/(^|\/)$/, '$1index.html');
      const page = pages.get(target);
      const hash = decodeURIComponent(url.hash.slice(1));
      const isHeading = hash === '' || page?.ids.has(hash) === true;
      if (!url.pathname.startsWith(base) || page === undefined || !isHeading) dead.push(`${file}: ${link}`);
    }
  }
  expect(dead).toEqual([]);
});

test('pages, styles and scripts request nothing from other hosts', () => {
  const foreign: string[] = [];
  for (const { file, requests } of pages.values()) {
    for (const address of requests) {
      const { origin: host, pathname, protocol } = new URL(address, `${origin}${base}${file}`);
      if (protocol === 'data:') continue;
      if (host !== origin) foreign.push(`${file}: ${address}`);
      else if (!existsSync(path.join(site, pathname.slice(base.length))))
        foreign.push(`${file}: ${address} is missing`);
    }
  }
  for (const file of globSync('**/*.css', { cwd: site })) {
    const styles = readFileSync(path.join(site, file), 'utf8');
    for (const [address] of styles.matchAll(/(?:url\(|@import )["']?(?:https?:)?\/\/[^)"']+/g))
      foreign.push(`${file}: ${address}`);
  }
  expect(foreign).toEqual([]);
});

test('no page is larger than 700 kB', () => {
  const sizes = Array.from(pages.keys(), (file) => [file, statSync(path.join(site, file)).size] as const);
  expect(sizes.filter(([, bytes]) => bytes > 700_000)).toEqual([]);
});

test('llms.txt lists every page, and the sitemap has the configured address', () => {
  const list = readFileSync(path.join(site, 'llms.txt'), 'utf8');
  const listed = Array.from(list.matchAll(/\]\((\S+)\)/g), ([, address = '']) => address);
  expect(listed.toSorted()).toEqual([...pages.keys()].map((file) => `${origin}${base}${file}`).toSorted());
  expect(readFileSync(path.join(site, 'llms-full.txt'), 'utf8')).toContain("# Why won't it connect?");
  expect(readFileSync(path.join(site, 'sitemap.xml'), 'utf8')).toContain(
    `<loc>${origin}${base}authentication.html</loc>`,
  );
});
