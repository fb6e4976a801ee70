/** Relative URLs are resolved against this origin. It is reserved (RFC 2606), so no attachment names it. */
const RELATIVE_TO = 'https://relative.invalid';

/** A space, a control character or a backslash: URL parsers remove it or read it as another character. */
const AMBIGUOUS = /[\s\p{Cc}\\]/u;

/**
 * Returns whether the URL of an attachment is safe to open from a page: an http(s) URL, or a path of the page's own
 * origin (`/…`, `./…` or `../…`). It is parsed by the rules of the WHATWG URL standard, as browsers do, so that no other
 * spelling leads to another origin or scheme.
 */
export function isAttachmentUrl(url: string): boolean {
  if (AMBIGUOUS.test(url)) return false;
  if (/^https?:\/\//i.test(url)) return URL.canParse(url);
  if (!/^(?:\/|\.{1,2}\/)/.test(url) || !URL.canParse(url, RELATIVE_TO)) return false;
  return new URL(url, RELATIVE_TO).origin === RELATIVE_TO;
}
