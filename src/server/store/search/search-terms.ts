/** Returns the words of a search: runs without white space that contain a letter or digit. */
export function wordsOf(text: string): string[] {
  return text.split(/[\s\p{Cc}]+/u).filter((word) => /[\p{L}\p{N}\p{Co}]/u.test(word));
}

/** Combining marks that unicode61 takes for diacritics (https://sqlite.org/fts5.html, "Unicode61 Tokenizer"). */
const DIACRITICS = /[\u{300}-\u{331}]/gu;
const TERM = /[\p{L}\p{N}\p{Co}\u{300}-\u{331}]+/gu;

/**
 * Splits a text into terms like the tokenizer `unicode61 remove_diacritics 2` of FTS5: runs of letters, digits and characters
 * for private use, in lower case. Diacritics are removed from letters of the Latin alphabet.
 */
export function indexTerms(text: string): string[] {
  const terms = text.match(TERM) ?? [];
  return terms.map(foldTerm).filter((term) => term !== '');
}

function foldTerm(term: string): string {
  if (/^[\u0000-\u007f]*$/.test(term)) return term.toLowerCase();
  let folded = '';
  for (const character of term.toLowerCase()) {
    const base = character.normalize('NFD');
    folded += /^[a-z]\p{M}/u.test(base) ? base.charAt(0) : character;
  }
  return folded.replaceAll(DIACRITICS, '');
}
