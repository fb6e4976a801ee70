import { h } from './dom.ts';

const LINK = /https?:\/\/[^\s<>"]+/g;
const TRAILING = /[.,;:!?)\]}'"]+$/;
const EMOJI_ONLY =
  /^(?:\p{Extended_Pictographic}(?:\uFE0F|\u200D\p{Extended_Pictographic}|\p{Emoji_Modifier})*\s?){1,3}$/u;

/** Turns http(s) URLs in the text into links; everything else becomes text nodes. */
export function richText(text: string): Node[] {
  const nodes: Node[] = [];
  let end = 0;
  for (const { 0: match, index } of text.matchAll(LINK)) {
    const url = match.replace(TRAILING, '');
    if (!URL.canParse(url)) continue;
    if (index > end) nodes.push(new Text(text.slice(end, index)));
    nodes.push(h('a', { href: url, target: '_blank', rel: 'noopener noreferrer' }, url));
    end = index + url.length;
  }
  if (end < text.length) nodes.push(new Text(text.slice(end)));
  return nodes;
}

export function isEmojiOnly(text: string): boolean {
  return text.length <= 32 && EMOJI_ONLY.test(text.trim());
}

/** Highlights the words of a query, starting shortly before the first match. */
export function highlighted(text: string, query: string): Node[] {
  const words = query.split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word));
  if (words.length === 0) return [new Text(text)];
  const pattern = new RegExp(
    words.map((word) => word.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)).join('|'),
    'giu',
  );
  const first = text.search(pattern);
  const from = first > 40 ? text.lastIndexOf(' ', first - 24) + 1 : 0;
  const shown = text.slice(from);
  const nodes: Node[] = from > 0 ? [new Text('… ')] : [];
  let end = 0;
  for (const { 0: match, index } of shown.matchAll(pattern)) {
    if (index > end) nodes.push(new Text(shown.slice(end, index)));
    nodes.push(h('mark', {}, match));
    end = index + match.length;
  }
  nodes.push(new Text(shown.slice(end)));
  return nodes;
}
