import { expect, onTestFinished, test } from 'vitest';
import { CommClient, memoryStorage, type Conversation } from '../../../../src/index.ts';
import { eventually } from '../../../helpers/eventually.ts';
import { FakeSocket } from '../../../helpers/client/fake-socket.ts';
import { conversation, messages } from '../../../helpers/client/messages.ts';
import { manualClock } from '../../../helpers/manual-clock.ts';

const head = { seq: 3, rev: 3 };
/** As the server has it before another device of the user marks the last message as unread. */
const before = conversation({ head, readSeq: 3, unreadMentions: 0, visibility: 'private' });
const markedUnread = { id: before.id, unreadCount: 1, unreadMentions: 0, readSeq: 2, head };

/** A connected client that shows its inbox. The test answers the requests by hand. */
async function showingInbox(): Promise<{ client: CommClient; socket: FakeSocket }> {
  const socket = new FakeSocket();
  const fetch = async (): Promise<Response> =>
    Response.json({ conversations: [before], hasMore: false, messages: messages(1, 3) });
  const client = new CommClient({
    url: 'http://127.0.0.1:1',
    userId: 'alice',
    socket,
    fetch,
    clock: manualClock(),
    storage: memoryStorage(),
  });
  onTestFinished(() => client[Symbol.asyncDispose]());
  socket.answer = (event) => (event === 'nk:sync' ? { ok: true, data: synced } : undefined);
  client.conversations.inbox.subscribe(() => undefined);
  const connected = client.connect();
  await eventually(() => expect(socket.attempts).toHaveLength(1));
  socket.open();
  socket.hello(['ack', 'client-id', 'rev', 'threads']);
  await connected;
  await eventually(() => expect(held(client)?.readSeq).toBe(3));
  return { client, socket };
}
const synced = { inboxRev: 1, conversations: [], gained: [], heads: {}, joined: {}, lost: [], reads: [] };

function held(client: CommClient): Conversation | undefined {
  return client.conversations.inbox.getSnapshot().conversations[0];
}

test.each([
  ['conversation:join', (client: CommClient) => void client.conversations.open(before.id), { conversation: before }],
  ['conversation:update', (client: CommClient) => void client.conversations.update(before.id, { name: 'x' }), before],
])('an answer to %s that was read before a push does not undo the push', async (name, request, data) => {
  const { client, socket } = await showingInbox();
  request(client);
  await eventually(() => expect(socket.names()).toContain(`nk:${name}`));
  socket.push('conversation:updated', markedUnread);
  await eventually(() => expect(held(client)?.readSeq).toBe(2));
  socket.last(name).reply?.({ ok: true, data });
  await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setImmediate(resolve));
  expect([held(client)?.readSeq, held(client)?.unreadCount]).toEqual([2, 1]);
});
