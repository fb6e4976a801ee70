import { expect, test } from 'vitest';
import { isEmoji } from '../../../src/protocol/emoji.ts';

test.each([
  ['a pictograph', '👍'],
  ['one with a presentation selector', '❤️'],
  ['one without', '❤'],
  ['a skin tone', '👋🏽'],
  ['a family', '👨‍👩‍👧‍👦'],
  ['a joined sequence with skin tone and direction', '🏃🏽‍♀️‍➡️'],
  ['a flag', '🇩🇪'],
  ['the flag of a subdivision', '🏴󠁧󠁢󠁥󠁮󠁧󠁿'],
  ['a joined flag', '🏳️‍🌈'],
  ['a keycap', '1️⃣'],
  ['a pictograph that is not assigned yet', '\u{1FAFF}'],
])('%s is an emoji: %s', (_what, text) => {
  expect(isEmoji(text)).toBe(true);
});

test.each([
  ['nothing', ''],
  ['a letter', 'a'],
  ['a digit', '1'],
  ['a sign', '+'],
  ['a word', 'lol'],
  ['a short code', ':+1:'],
  ['two emoji', '👍👍'],
  ['an emoji and a space', '👍 '],
  ['an emoji and a line', '👍\n'],
  ['a joiner without a second part', '👨‍'],
  ['a skin tone alone', '🏽'],
  ['half a flag', '🇩'],
  ['half a surrogate pair', '\ud83d'],
  ['markup', '<b>'],
  ['an emoji longer than 64 code units', `👨${'‍👨'.repeat(30)}`],
  ['a number', 7],
  ['an object', {}],
])('%s is not an emoji', (_what, value) => {
  expect(isEmoji(value)).toBe(false);
});
