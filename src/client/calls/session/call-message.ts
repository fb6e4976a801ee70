import { isEmoji } from '../../../protocol/emoji.ts';
import { fields } from '../../../transport/fields.ts';

/** A message between the participants of a call, as JSON. */
export type CallMessage =
  | { readonly type: 'hand'; readonly raised: boolean }
  | { readonly type: 'reaction'; readonly emoji: string }
  /** A value of the app. */
  | { readonly type: 'data'; readonly data: unknown };

/** Parses the message of a peer. Returns `undefined` if it is malformed or unknown; never throws. */
export function parseCallMessage(text: string): CallMessage | undefined {
  const row = fields(parseJson(text));
  const type = row?.['type'];
  if (type === 'hand') {
    const raised = row?.['raised'];
    return typeof raised === 'boolean' ? { type, raised } : undefined;
  }
  if (type === 'reaction') {
    const emoji = row?.['emoji'];
    return isEmoji(emoji) ? { type, emoji } : undefined;
  }
  return type === 'data' && row?.['data'] !== undefined ? { type, data: row['data'] } : undefined;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
