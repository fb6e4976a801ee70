import type { LinkPreview } from '../../../protocol/link-previews.ts';
import { LIMITS } from '../../../protocol/limits.ts';
import type { Page } from './fetch-page.ts';

/**
 * Reads title, description and image of a page: Open Graph tags, else the tags of HTML.
 *
 * @param link - the link, before redirects
 * @returns `undefined` if the page has no title
 */
export async function parsePreview(link: string, { url, html }: Page): Promise<LinkPreview | undefined> {
  // Loaded with the first preview: most servers make none.
  const { Parser } = await import('htmlparser2');
  const meta = new Map<string, string>();
  let title = '';
  let isInTitle = false;
  const parser = new Parser({
    onopentag(name, { property, name: key = property, content }) {
      isInTitle = name === 'title' && title === '';
      if (name === 'meta' && key !== undefined && content !== undefined) meta.set(key.toLowerCase(), content);
    },
    ontext(text) {
      if (isInTitle) title += text;
    },
    onclosetag() {
      isInTitle = false;
    },
  });
  parser.end(html);
  const shown = line(meta.get('og:title') ?? title, 300);
  if (shown === undefined) return undefined;
  const description = line(meta.get('og:description') ?? meta.get('description') ?? '', 1_000);
  const image = webUrl(meta.get('og:image'), url);
  return {
    url: link,
    title: shown,
    ...(description !== undefined && { description }),
    ...(image !== undefined && { image }),
    domain: url.hostname,
  };
}

/** Returns a text on one line, at most `length` UTF-16 code units; `undefined` if nothing is left. */
function line(text: string, length: number): string | undefined {
  const short = text.replaceAll(/\s+/g, ' ').trim().slice(0, length).toWellFormed();
  return short === '' ? undefined : short;
}

function webUrl(text: string | undefined, base: URL): string | undefined {
  const url = text === undefined ? null : URL.parse(text, base);
  if (url === null || !/^https?:$/.test(url.protocol) || url.href.length > LIMITS.urlLength) return undefined;
  return url.href;
}
