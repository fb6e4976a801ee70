import { describe, expect, test } from 'vitest';
import { manualClock } from '../../../helpers/manual-clock.ts';
import { startServer } from '../../../helpers/server/comm-server.ts';

const SLOW = 1e-3;

describe('the budgets of a user over sockets and REST', () => {
  test('requests of all sockets and REST are counted together, and REST tells when to repeat', async () => {
    // With time that moves a slow machine would earn more requests.
    await using server = await startServer({ clock: manualClock(), limits: { requests: { burst: 20, perSecond: 1 } } });
    const phone = await server.connect('ada');
    const laptop = await server.connect('ada');
    const outcomes = await Promise.all(
      Array.from({ length: 30 }, (_, index) => (index % 2 === 0 ? phone : laptop).raw('comm:ping', {})),
    );
    const refused = outcomes.filter((reply) => !reply.ok);
    expect(refused.length).toBeGreaterThanOrEqual(10);
    expect(refused[0]).toMatchObject({ error: { code: 'RATE_LIMITED' } });
    const response = await server.rest('/conversations', 'ada');
    expect([response.status, Number(response.headers.get('retry-after'))]).toEqual([429, expect.any(Number)]);
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await server.rest('/conversations', 'bob')).status).toBe(200);
  });

  test('a large request costs more', async () => {
    await using server = await startServer({ limits: { requests: { burst: 150, perSecond: SLOW } } });
    const ada = await server.connect('ada');
    const userIds = Array.from({ length: 1_000 }, (_, index) => `user-${index}`);
    expect(await ada.raw('presence:watch', { userIds })).toMatchObject({ ok: true });
    expect(await ada.raw('presence:watch', { userIds })).toMatchObject({ error: { code: 'RATE_LIMITED' } });
  });

  test('messages, edits and forwards are counted, and what they store', async () => {
    await using server = await startServer({ limits: { messages: { burst: 3, perSecond: SLOW } } });
    const ada = await server.connect('ada');
    const { id: conversationId } = await ada.ask('conversation:create', { type: 'group', participantIds: [] });
    const message = { conversationId, type: 'text', content: 'hello' } as const;
    const { id: messageId } = await ada.ask('message:send', message);
    await ada.ask('message:edit', { conversationId, messageId, content: 'edited' });
    await ada.ask('message:forward', {
      messageId,
      fromConversationId: conversationId,
      toConversationId: conversationId,
    });
    expect(await ada.raw('message:send', message)).toMatchObject({ error: { code: 'RATE_LIMITED' } });
  });

  test('the bytes of a day are limited', async () => {
    await using server = await startServer({ limits: { messageBytesPerDay: 20_000 } });
    const ada = await server.connect('ada');
    const { id: conversationId } = await ada.ask('conversation:create', { type: 'group', participantIds: [] });
    const message = { conversationId, type: 'text', content: 'x'.repeat(9_000) } as const;
    const { id: messageId } = await ada.ask('message:send', message);
    await ada.ask('message:send', message);
    const forward = { messageId, fromConversationId: conversationId, toConversationId: conversationId };
    expect(await ada.raw('message:forward', forward)).toMatchObject({ error: { code: 'RATE_LIMITED' } });
    expect(await ada.raw('message:send', message)).toMatchObject({ error: { code: 'RATE_LIMITED' } });
  });

  test('created conversations are limited, existing ones are returned', async () => {
    await using server = await startServer({ limits: { conversationsCreated: { burst: 2, perSecond: SLOW } } });
    const ada = await server.connect('ada');
    const direct = { type: 'direct', participantIds: ['bob'] } as const;
    const { id } = await ada.ask('conversation:create', direct);
    const group = JSON.stringify({ type: 'group', participantIds: ['bob'] });
    expect((await server.rest('/conversations', 'ada', { method: 'POST', body: group })).status).toBe(201);
    expect((await server.rest('/conversations', 'ada', { method: 'POST', body: group })).status).toBe(429);
    expect(await ada.ask('conversation:create', direct)).toMatchObject({ id });
  });

  test('searches are limited', async () => {
    await using server = await startServer({ limits: { searches: { burst: 2, perSecond: SLOW } } });
    const statuses = [];
    for (let time = 0; time < 3; time += 1) {
      statuses.push((await server.rest('/messages/search?q=hello', 'ada')).status);
    }
    expect(statuses).toEqual([200, 200, 429]);
  });

  test('the bytes of REST bodies and socket payloads are limited', async () => {
    await using server = await startServer({ limits: { requestBytes: { burst: 5_000, perSecond: SLOW } } });
    const body = JSON.stringify({ type: 'group', name: 'x'.repeat(150), participantIds: [], more: 'y'.repeat(4_000) });
    expect((await server.rest('/conversations', 'ada', { method: 'POST', body })).status).toBe(201);
    expect((await server.rest('/conversations', 'ada', { method: 'POST', body })).status).toBe(429);
    const bob = await server.connect('bob');
    const large = { conversationId: 'c', type: 'text', content: 'x'.repeat(4_000) } as const;
    expect(await bob.raw('message:send', large)).toMatchObject({ error: { code: 'NOT_FOUND' } });
    expect(await bob.raw('message:send', large)).toMatchObject({ error: { code: 'RATE_LIMITED' } });
  });

  test('a peer that ignores refusals is disconnected, others are not', async () => {
    await using server = await startServer({ limits: { requests: { burst: 10, perSecond: SLOW } } });
    const mallory = await server.connect('mallory');
    const ada = await server.connect('ada');
    const gone = mallory.disconnected();
    for (let time = 0; time < 2_000; time += 1) mallory.emit('comm:ping', {});
    await gone;
    expect(await ada.raw('comm:ping', {})).toMatchObject({ ok: true });
  });
});
