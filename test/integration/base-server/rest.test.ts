import { describe, expect, test } from 'vitest';
import { useBaseServer } from '../../helpers/base-server/fixture.ts';

const base = useBaseServer();

async function rest(path: string, userId = 'ann'): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${base.server.url}/__nk_comm${path}`, { headers: { 'x-user-id': userId } });
  return { status: response.status, body: await response.json() };
}

describe('over REST', () => {
  test('requests without a user are answered 401; header and query identify a user', async () => {
    expect((await fetch(`${base.server.url}/__nk_comm/conversations`)).status).toBe(401);
    expect((await fetch(`${base.server.url}/__nk_comm/conversations?userId=ann`)).status).toBe(200);
    expect((await rest('/conversations')).status).toBe(200);
    expect(base.server.requests).toContain('GET /__nk_comm/conversations?userId=ann');
  });

  test('conversations are database rows, newest activity first, whose unread count includes own messages', async () => {
    const old = base.server.seedConversation({ id: 'old', participantIds: ['ann'], name: 'Old' });
    base.clock.advance(1_000);
    base.server.seedConversation({ id: 'new', type: 'direct', participantIds: ['ann', 'bob'] });
    base.server.seedConversation({ id: 'foreign', participantIds: ['bob'] });
    base.clock.advance(1_000);
    base.server.seedMessage({ conversationId: old, senderId: 'ann', content: 'own' });
    const { body } = await rest('/conversations');
    expect(body).toMatchObject([
      { id: 'old', type: 'group', name: 'Old', unread_count: 1, updated_at: '2025-01-01T00:00:02.000Z' },
      { id: 'new', type: 'direct', name: null, unread_count: 0 },
    ]);
    expect((await rest('/conversations?limit=1&offset=1')).body).toMatchObject([{ id: 'new' }]);
  });

  test('a created conversation includes the caller', async () => {
    const response = await fetch(`${base.server.url}/__nk_comm/conversations?userId=ann`, {
      method: 'POST',
      body: JSON.stringify({ type: 'group', name: 'New', participantIds: ['bob'] }),
    });
    expect(response.status).toBe(201);
    const { id } = (await response.json()) as { id: string };
    expect((await rest('/conversations', 'bob')).body).toMatchObject([{ id, name: 'New' }]);
  });

  test('messages are database rows with numeric ids, attachments as text and unconverted times', async () => {
    const conversationId = base.server.seedConversation({ participantIds: ['ann'] });
    const attachment = { url: '/f', mimeType: 'image/png', fileName: 'f', fileSize: 1 };
    const createdAt = '2025-01-01 12:30:00';
    base.server.seedMessage({ conversationId, senderId: 'ann', content: 'f', type: 'image', attachment, createdAt });
    base.server.seedMessage({ conversationId, senderId: 'ann', content: '{}', encrypted: true, replyTo: '1' });
    expect((await rest(`/messages/${conversationId}`)).body).toMatchObject([
      { id: 2, encrypted: 1, reply_to: '1', attachment: null, created_at: '2025-01-01T00:00:00.000Z' },
      {
        id: 1,
        encrypted: 0,
        attachment: JSON.stringify(attachment),
        created_at: createdAt,
        conversation_id: conversationId,
      },
    ]);
  });

  test('pages are newest first and strictly before a time, which omits messages of the same time', async () => {
    const conversationId = base.server.seedConversation({ participantIds: ['ann'] });
    const older = '2024-12-01T00:00:00.000Z';
    const tied = '2024-12-02T00:00:00.000Z';
    base.server.seedMessages({ conversationId, senderId: 'ann', createdAt: older }, 2, 'older');
    base.server.seedMessages({ conversationId, senderId: 'ann', createdAt: tied }, 4, 'tied');
    const contents = async (query: string): Promise<string[]> =>
      ((await rest(`/messages/${conversationId}?${query}`)).body as { content: string }[]).map(
        ({ content }) => content,
      );
    expect(await contents('limit=3')).toEqual(['tied 4', 'tied 3', 'tied 2']);
    expect(await contents(`limit=3&before=${tied}`)).toEqual(['older 2', 'older 1']);
    expect(await contents('limit=50')).toHaveLength(6);
  });

  test('search matches substrings; routes of lumen-comm-server are absent unless enabled', async () => {
    const conversationId = base.server.seedConversation({ id: 'c', participantIds: ['ann'] });
    base.server.seedMessages({ conversationId, senderId: 'ann' }, 2, 'Needle');
    expect((await rest('/search?q=needle%202')).body).toMatchObject([{ id: 2 }]);
    for (const path of [
      '/messages/search?q=needle',
      '/conversations/c/messages',
      '/conversations/c/changes?after=0',
      '/x',
    ]) {
      expect(await rest(path)).toEqual({ status: 404, body: { error: 'Not found' } });
    }
    await base.restart({ messagesOfConversation: true, messagesSearch: 'conversation', history: 'newest' });
    base.server.seedConversation({ id: 'c', participantIds: ['ann'] });
    base.server.seedMessages({ conversationId: 'c', senderId: 'ann' }, 60);
    expect(await rest('/messages/search?q=message')).toEqual({ status: 200, body: [] });
    expect((await rest('/conversations/c/messages?limit=5')).body).toHaveLength(50);
  });
});
