import { http } from 'msw';
import { setupServer } from 'msw/node';
import * as v from 'valibot';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { REST_ANSWER_SCHEMAS } from '../../../src/protocol/rest.ts';
import type { RestRouteName } from '../../../src/protocol/constants.ts';
import { buildConversation, buildMessage, buildMessages } from '../../../src/testing/builders.ts';
import { commHandlers } from '../../../src/testing/comm-handlers.ts';

const messages = buildMessages(60, (seq) => ({ senderId: seq % 2 === 0 ? 'ann' : 'bob', content: `number ${seq}` }));
const handlers = commHandlers({
  http,
  url: 'https://chat.example.com',
  conversations: [
    buildConversation({ unreadCount: 3 }),
    buildConversation({ id: 'empty', participants: ['ann', 'cat'], updatedAt: '2024-01-01T00:00:00.000Z' }),
    buildConversation({ id: 'foreign', participants: ['bob', 'cat'] }),
  ],
  messages: [...messages, buildMessage({ id: '900', conversationId: 'foreign', senderId: 'cat', content: 'secret' })],
});
const worker = setupServer(...handlers);

beforeAll(() => worker.listen());
afterAll(() => worker.close());

async function ask(path: string, init?: RequestInit): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`https://chat.example.com/__nk_comm${path}`, {
    ...init,
    headers: { 'x-user-id': 'ann' },
  });
  return { status: response.status, body: await response.json() };
}

async function idsOf(path: string): Promise<string[]> {
  return ((await ask(path)).body as { id: string }[]).map(({ id }) => id);
}

describe('answers match the schemas of the server', () => {
  test.each<[route: RestRouteName, path: string, init?: RequestInit]>([
    ['listConversations', '/conversations'],
    [
      'createConversation',
      '/conversations',
      { method: 'POST', body: JSON.stringify({ type: 'group', name: 'New', participantIds: ['bob'] }) },
    ],
    ['getConversation', '/conversations/conversation-1'],
    ['listMessages', '/conversations/conversation-1/messages'],
    ['listChanges', '/conversations/conversation-1/changes?after=50'],
    ['searchMessages', '/messages/search?q=number'],
    ['getMessage', '/messages/7'],
    ['deleteMessage', '/messages/60', { method: 'DELETE' }],
  ])('%s', async (route, path, init) => {
    const { status, body } = await ask(path, init);
    expect(status).toBe(route === 'createConversation' ? 201 : 200);
    expect(v.safeParse(REST_ANSWER_SCHEMAS[route], body).issues).toBeUndefined();
  });
});

test('the list contains the user’s own conversations, newest activity first', async () => {
  expect(await idsOf('/conversations?limit=2&offset=0')).not.toContain('foreign');
  expect((await idsOf('/conversations')).at(-1)).toBe('empty');
});

test('history is paged newest first, before, after and around a message', async () => {
  const base = '/conversations/conversation-1/messages';
  expect(await idsOf(`${base}?limit=3`)).toEqual(['60', '59', '58']);
  expect(await idsOf(`${base}?limit=3&before=58`)).toEqual(['57', '56', '55']);
  expect(await idsOf(`${base}?limit=3&after=10`)).toEqual(['13', '12', '11']);
  expect(await idsOf(`${base}?limit=4&around=10`)).toEqual(['11', '10', '9', '8']);
});

test('conversations of others are NOT_FOUND, and only the sender can delete a message', async () => {
  expect(await ask('/messages/900')).toMatchObject({ status: 404, body: { error: { code: 'NOT_FOUND' } } });
  expect(await ask('/conversations/foreign/messages')).toMatchObject({ status: 404 });
  expect(await ask('/messages/59', { method: 'DELETE' })).toMatchObject({
    status: 403,
    body: { error: { code: 'FORBIDDEN' } },
  });
  expect(await idsOf('/messages/search?q=secret')).toEqual([]);
});

test('a deletion persists and is a change', async () => {
  await ask('/messages/58', { method: 'DELETE' });
  expect((await ask('/messages/58')).body).toMatchObject({ content: '', deletedAt: expect.any(String) as unknown });
  const { changes } = (await ask('/conversations/conversation-1/changes?after=60')).body as {
    changes: { id: string }[];
  };
  expect(changes.map(({ id }) => id)).toContain('58');
});

test('two users have one direct conversation', async () => {
  const body = JSON.stringify({ type: 'direct', participantIds: ['bob'] });
  expect((await ask('/conversations', { method: 'POST', body })).body).toMatchObject({ id: 'conversation-1' });
});
