import * as v from 'valibot';
import { CAPABILITIES, PRESENCE_STATUSES } from '../../protocol/constants.ts';
import { headSchema } from '../../protocol/conversations.ts';
import type { Push } from '../../protocol/events.ts';
import { presenceUpdateSchema } from '../../protocol/presence.ts';
import type { ProcessEvent, PushOptions } from '../services/ports.ts';

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

/** Clients check what else a push contains. */
const pushSchema = v.custom<Push>(
  (push) =>
    isObject(push) && 'event' in push && typeof push.event === 'string' && 'data' in push && isObject(push.data),
);

/** Which sockets of the channel's conversation or user receive a push. */
const optionsSchema = v.object({
  exceptSocketId: v.optional(v.string()),
  exceptUserId: v.optional(v.string()),
  exceptUserIds: v.optional(v.pipe(v.array(v.string()), v.readonly())),
  mailbox: v.optional(v.boolean()),
  batch: v.optional(v.boolean()),
}) satisfies v.GenericSchema<unknown, PushOptions>;

const processEventSchema = v.variant('event', [
  v.object({ event: v.literal('chosen'), chosen: v.optional(v.picklist(PRESENCE_STATUSES)) }),
  v.object({ event: v.literal('hidden'), userId: v.string(), isHidden: v.boolean() }),
  v.object({ event: v.literal('forget') }),
]) satisfies v.GenericSchema<unknown, ProcessEvent>;

const presence = { data: presenceUpdateSchema, version: v.optional(v.number()) };

const messageSchema = v.variant('to', [
  v.object({ to: v.literal('conversation'), push: pushSchema, options: optionsSchema }),
  /** Published on the channel of each conversation. A process handles the first message with an id. */
  v.object({
    to: v.literal('conversations'),
    id: v.string(),
    conversationIds: v.pipe(v.array(v.string()), v.readonly()),
    push: pushSchema,
  }),
  v.object({ to: v.literal('user'), push: pushSchema, options: optionsSchema }),
  v.object({ to: v.literal('user-with'), capability: v.picklist(CAPABILITIES), push: pushSchema }),
  /** The running call of the conversation has changed. */
  v.object({ to: v.literal('running-call') }),
  v.object({ to: v.literal('profile-sockets'), push: pushSchema }),
  v.object({ to: v.literal('socket'), socketId: v.string(), push: pushSchema }),
  v.object({ to: v.literal('watchers'), ...presence }),
  v.object({ to: v.literal('own-sockets'), ...presence }),
  /** Published on the channel of processes with base sockets. */
  v.object({ to: v.literal('base-sockets'), ...presence }),
  v.object({ to: v.literal('processes'), event: processEventSchema }),
  /** Published on the channel of those who watch the user. */
  v.object({ to: v.literal('recheck-watches') }),
  v.object({ to: v.literal('join'), conversationId: v.string(), head: v.optional(headSchema) }),
  v.object({ to: v.literal('remove'), conversationId: v.string() }),
  v.object({ to: v.literal('disconnect') }),
]);

/** What the broadcaster of one process tells those of the others. The channel names the conversation or user. */
export type BusMessage = v.InferOutput<typeof messageSchema>;

/** Length of a payload in characters. Longer ones are not of this app, and would hold up the event loop. */
const MAX_CHARACTERS = 16 * 1_048_576;

/** Parses the payload of the bus. What a later version added, and what isn't valid, is left out. */
export function parseBusMessages(payload: string): readonly BusMessage[] {
  if (payload.length > MAX_CHARACTERS) return [];
  let parsed: unknown;
  try {
    parsed = JSON.parse(payload);
  } catch {
    return [];
  }
  if (!Array.isArray(parsed)) return [];
  return parsed.flatMap((each: unknown) => {
    const result = v.safeParse(messageSchema, each);
    return result.success ? [result.output] : [];
  });
}
