import type { OutboxItem } from '../../../src/client/outbox/outbox-item.ts';

/** Ids sort by age, as UUIDv7 do. */
export function outboxItem(
  age: number,
  lane = 'lane',
  name: 'message:send' | 'message:edit' = 'message:send',
): OutboxItem {
  const clientId = `id ${String(age).padStart(4, '0')}`;
  const payload = { conversationId: lane, content: clientId, type: 'text' as const, clientId, messageId: '1' };
  return { clientId, order: clientId, lane, operation: { name, payload }, parked: false };
}
