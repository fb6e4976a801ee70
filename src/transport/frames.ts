import { fields } from './fields.ts';

/** A push of the server: its event name and payload. The payload is not validated yet. */
export interface PushFrame {
  readonly event: string;
  readonly data: unknown;
}

/** The first push of a server with capabilities. */
export interface ServerHello {
  readonly userId: string;
  readonly capabilities: readonly unknown[];
  /** How long a typing notification lasts. */
  readonly typingTimeoutMs: number | undefined;
}

/** Parses a frame of the event `nk:data`. Returns `undefined` for anything else. */
export function parseFrame(frame: unknown): PushFrame | undefined {
  const { event, data } = fields(frame) ?? {};
  return typeof event === 'string' ? { event, data } : undefined;
}

/**
 * Returns the pushes that a frame contains, in order: those of a `batch`, with one for each of the receipts that the server
 * has collected.
 */
export function separate(frame: PushFrame): readonly PushFrame[] {
  const data = fields(frame.data);
  if (frame.event === 'batch') {
    return rows(data?.['pushes']).flatMap((push) => {
      const parsed = parseFrame(push);
      return parsed === undefined || parsed.event === 'batch' ? [] : separate(parsed);
    });
  }
  if (frame.event !== 'read-receipt:collected') return [frame];
  return rows(data?.['receipts']).flatMap((receipt) => {
    const { messageId, seq, readAt, userIds } = fields(receipt) ?? {};
    const update = { conversationId: data?.['conversationId'], messageId, seq };
    return rows(userIds).map((userId) => ({
      event: 'read-receipt:update',
      data: { ...update, readBy: { userId, readAt } },
    }));
  });
}

function rows(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** Parses the payload of `comm:hello`. Returns `undefined` for an invalid one, which counts as none. */
export function parseHello(payload: unknown): ServerHello | undefined {
  const { userId, caps, limits } = fields(payload) ?? {};
  if (typeof userId !== 'string' || !Array.isArray(caps)) return undefined;
  const timeoutMs = fields(limits)?.['typingTimeoutMs'];
  return {
    userId,
    capabilities: caps,
    typingTimeoutMs: typeof timeoutMs === 'number' && timeoutMs > 0 ? timeoutMs : undefined,
  };
}
