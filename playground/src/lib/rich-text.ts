import { h } from './dom.ts';

const LINK = /https?:\/\/[^\s<>"]+/g;
const TRAILING = /[.,;:!?)\]}'"]+$/;
const EMOJI_ONLY =
  /^(?:\p{Extended_Pictographic}(?:\uFE0F|\u200D\p{Extended_Pictographic}|\p{Emoji_Modifier})*\s?){1,3}$/u;

/** A name in a text, such as "@Bob". */
export interface Mark {
  readonly text: string;
  readonly isSelf: boolean;
}

/** Turns http(s) URLs in the text into links, and emphasizes marks; everything else becomes text nodes. */
export function richText(text: string, marks: readonly Mark[] = []): Node[] {
  if (marks.length === 0) return linked(text);
  return linked(text).flatMap((node) => (node instanceof Text ? marked(node.data, marks) : [node]));
}

function marked(text: string, marks: readonly Mark[]): Node[] {
  // The longest first: a name may be the beginning of another one.
  const longest = [...marks].sort((a, b) => b.text.length - a.text.length);
  const pattern = new RegExp(`(?:${longest.map((mark) => escaped(mark.text)).join('|')})(?![\\p{L}\\p{N}])`, 'giu');
  const nodes: Node[] = [];
  let end = 0;
  for (const { 0: match, index } of text.matchAll(pattern)) {
    if (index > end) nodes.push(new Text(text.slice(end, index)));
    const isSelf = marks.some((mark) => mark.isSelf && mark.text.toLowerCase() === match.toLowerCase());
    nodes.push(h('strong', { class: 'mention', 'data-self': isSelf }, match));
    end = index + match.length;
  }
  if (end < text.length) nodes.push(new Text(text.slice(end)));
  return nodes;
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
}

function linked(text: string): Node[] {
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
  const pattern = new RegExp(words.map(escaped).join('|'), 'giu');
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
