import { LIMITS } from './limits.ts';

/** One element of a sequence: a pictograph with its presentation or skin tone, and the tags of a subdivision's flag. */
const ELEMENT = String.raw`\p{Extended_Pictographic}(?:\p{Emoji_Modifier}|\uFE0F)?(?:[\u{E0020}-\u{E007E}]+\u{E007F})?`;
/**
 * A single emoji by its structure (https://www.unicode.org/reports/tr51/#EBNF_and_Regex): a flag, a keycap, or pictographs
 * that are joined. Not a list of emoji, of which every year brings new ones.
 */
const EMOJI = new RegExp(
  String.raw`^(?:\p{Regional_Indicator}{2}|[\d#*]\uFE0F?\u20E3|${ELEMENT}(?:\u200D${ELEMENT})*)$`,
  'u',
);

/** Returns whether a value is a single emoji of at most 64 UTF-16 code units. */
export function isEmoji(value: unknown): value is string {
  return typeof value === 'string' && value.length <= LIMITS.emojiLength && EMOJI.test(value);
}
