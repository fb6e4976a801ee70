import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { CommClient } from '../../../../src/index.ts';
import type { CommunicationApi, UserRecord } from '../../../../src/server/index.ts';
import type { Message, ReactToMessage } from '../../../../src/protocol/messages.ts';
import { envelopeOf } from '../../../helpers/server/envelopes.ts';
import { startServer } from '../../../helpers/server/comm-server.ts';
import { startFileServer } from '../../../helpers/server/files.ts';

async function exported(api: CommunicationApi, userId: string): Promise<UserRecord[]> {
  const records: UserRecord[] = [];
  for await (const record of api.exportUser(userId)) records.push(record);
  return records;
}
const ofKind = (records: readonly UserRecord[], kind: string): UserRecord['data'][] =>
  records.filter((each) => each.kind === kind).map(({ data }) => data);

test('an export contains what the user has written, and nothing of others', async () => {
  await using files = await startFileServer();
  const { ann, bob, conversationId, server } = files;
  const { api } = server.server;
  const attachment = await files.upload(Buffer.from('my file'), {
    fileName: 'report of ann.txt',
    mimeType: 'text/plain',
  });
  await files.send(attachment);
  await ann.ask('message:send', { conversationId, content: 'written by ann', type: 'text' });
  const { id: messageId } = await bob.ask('message:send', { conversationId, content: 'written by bob', type: 'text' });
  await ann.ask('message:react', { conversationId, messageId, emoji: '👍', on: true });
  await ann.ask('message:read', { conversationId, messageId });
  await ann.settled();
  const records = await exported(api, 'ann');
  expect(ofKind(records, 'message')).toMatchObject([
    { content: '', attachment: { fileName: 'report of ann.txt' }, senderId: 'ann', conversationId },
    { content: 'written by ann', senderId: 'ann' },
  ]);
  expect(ofKind(records, 'reaction')).toMatchObject([{ messageId, emoji: '👍' }]);
  expect(ofKind(records, 'receipt')).toMatchObject([{ messageId }]);
  expect(ofKind(records, 'membership')).toMatchObject([{ conversationId, role: 'owner', lastReadSeq: 3 }]);
  expect(ofKind(records, 'file')).toMatchObject([{ fileName: 'report of ann.txt', state: 'stored' }]);
  const text = JSON.stringify(records);
  expect(text).not.toContain('written by bob');
  expect(text).not.toContain('bob');
  expect(JSON.stringify(await exported(api, 'bob'))).not.toContain('written by ann');
  expect(await exported(api, 'nobody')).toEqual([]);
  await expect(exported(api, '')).rejects.toMatchObject({ code: 'INVALID' });
});

test('an export of many rows is read in steps, each row once and in order', async () => {
  await using server = await startServer();
  const { api } = server.server;
  const { id: conversationId } = await api.conversations.create({ type: 'group', participantIds: ['ann', 'bob'] });
  const contents: string[] = [];
  for (let n = 0; n < 700; n += 1) {
    const senderId = n % 3 === 0 ? 'bob' : 'ann';
    const { content } = await api.messages.send({ conversationId, senderId, content: `message ${n}` });
    if (senderId === 'ann') contents.push(content);
  }
  expect(ofKind(await exported(api, 'ann'), 'message').map(({ content }) => content)).toEqual(contents);
});

test('erasing a connected user ends their sockets, and members see tombstones and the departure', async () => {
  await using server = await startServer();
  const { api } = server.server;
  const [ann, bob, base] = [await server.connect('ann'), await server.connect('bob'), await server.connectBase('old')];
  const { id: conversationId } = await ann.ask('conversation:create', {
    type: 'group',
    participantIds: ['bob', 'old'],
  });
  await base.ask('conversation:join', { conversationId });
  const { id: direct } = await ann.ask('conversation:create', { type: 'direct', participantIds: ['bob'] });
  const mine = await ann.ask('message:send', { conversationId, content: 'secret plan of ann', type: 'text' });
  const intimate = await ann.ask('message:send', { conversationId: direct, content: 'only for bob', type: 'text' });
  const his = await bob.ask('message:send', { conversationId, content: 'answer of bob', type: 'text' });
  await ann.ask('message:react', { conversationId, messageId: his.id, emoji: '👍', on: true });
  await bob.ask('message:react', { conversationId, messageId: his.id, emoji: '👍', on: true });
  await bob.next('message:reaction-update', ({ reactions }) => reactions[0]?.count === 2);

  expect(await api.eraseUser('ann')).toEqual({ messages: 2, reactions: 1, conversations: 2 });
  expect(await ann.disconnected()).toBe('io server disconnect');
  for (const client of [bob, base]) {
    expect(await client.next('conversation:left')).toEqual({ conversationId, userId: 'ann' });
    expect(await client.next('message:deleted')).toMatchObject({ messageId: mine.id, conversationId });
    expect(await client.next('message:updated', ({ id }) => id === mine.id)).toMatchObject({ content: '' });
    const { reactions } = await client.next(
      'message:reaction-update',
      ({ reactions: [first] }) => first?.users[0] === 'bob',
    );
    expect(reactions).toEqual([{ emoji: '👍', count: 1, users: ['bob'] }]);
  }
  await bob.next('message:deleted', ({ messageId }) => messageId === intimate.id);
  // The group goes on, with an owner.
  const { conversation } = await bob.ask('conversation:join', { conversationId });
  expect(conversation.participants.map(({ userId }) => userId)).toEqual(['bob', 'old']);
  expect(conversation.participants.some(({ role }) => role === 'owner')).toBe(true);
  await bob.ask('message:send', { conversationId, content: 'it goes on', type: 'text' });
});

test('after an erasure the database has no text, key, receipt or file of the user', async () => {
  const db = new DatabaseSync(':memory:');
  await using files = await startFileServer({ db });
  const { ann, bob, conversationId, server } = files;
  const { api } = server.server;
  await files.send(
    await files.upload(Buffer.from('bytes of ann'), { fileName: 'sent by ann.txt', mimeType: 'text/plain' }),
  );
  await files.upload(Buffer.from('more bytes'), { fileName: 'never sent.txt', mimeType: 'text/plain' });
  const { id: messageId } = await bob.ask('message:send', { conversationId, content: 'hello ann', type: 'text' });
  await ann.ask('message:read', { conversationId, messageId });
  await ann.ask('message:send', { conversationId, content: 'good morning bob', type: 'text', clientId: 'c-1' });
  await ann.ask('presence:update', { status: 'busy' });
  await ann.settled();
  await api.eraseUser('ann');
  const tables = db
    .prepare("select name from sqlite_master where type = 'table' and name not like 'comm_messages_search%'")
    .all();
  const rows = tables.flatMap(({ name }) => {
    const found = db.prepare(`select * from "${String(name)}"`).all();
    return found.map((row) => `${String(name)} ${JSON.stringify(row)}`).filter((row) => row.includes('"ann"'));
  });
  // Tombstones keep their place and their sender; files wait for the next sweep.
  expect(rows.map((row) => row.split(' ')[0] ?? '').toSorted((a, b) => a.localeCompare(b))).toEqual([
    'comm_files',
    'comm_files',
    'messages',
    'messages',
  ]);
  expect(db.prepare("select distinct content, attachment from messages where sender_id = 'ann'").all()).toEqual([
    { content: '', attachment: null },
  ]);
  expect(db.prepare('select distinct state from comm_files').all()).toEqual([{ state: 'removing' }]);
  expect(ofKind(await exported(api, 'ann'), 'message').every(({ content }) => content === '')).toBe(true);
  expect(await api.eraseUser('ann')).toEqual({ messages: 0, reactions: 0, conversations: 0 });
});

test('an erasure deletes the envelope of a reaction that the user has removed, and keeps those of others', async () => {
  await using server = await startServer();
  const { api } = server.server;
  const [ann, bob] = [await server.connect('ann'), await server.connect('bob')];
  const { id: conversationId } = await bob.ask('conversation:create', { type: 'group', participantIds: ['ann'] });
  const { id: messageId } = await bob.ask('message:send', {
    conversationId,
    content: '',
    type: 'text',
    encrypted: true,
    envelope: envelopeOf('bob', conversationId),
  });
  const react = (userId: string, on: boolean): ReactToMessage => ({
    conversationId,
    messageId,
    emoji: '👍',
    on,
    envelope: envelopeOf(userId, conversationId),
  });
  await bob.ask('message:react', react('bob', true));
  await ann.ask('message:react', react('ann', true));
  const { reactionEnvelopes } = await ann.ask('message:react', react('ann', false));
  expect(reactionEnvelopes?.map(({ senderId }) => senderId)).toEqual(['bob', 'ann']);
  expect(await api.eraseUser('ann')).toMatchObject({ messages: 0, reactions: 0 });
  const page = (await (await server.rest(`/conversations/${conversationId}/messages`, 'bob')).json()) as Message[];
  expect(page.map((each) => each.reactionEnvelopes?.map(({ senderId }) => senderId))).toEqual([['bob']]);
});

test('the clients of others show a tombstone, and the erased one is disconnected', async () => {
  await using server = await startServer();
  const { api } = server.server;
  await using ann = new CommClient({ url: server.url, userId: 'ann' });
  await using bob = new CommClient({ url: server.url, userId: 'bob' });
  await Promise.all([ann.connect(), bob.connect()]);
  const { id: conversationId } = await ann.conversations.create({ type: 'group', participantIds: ['bob'] });
  await ann.messages.send({ conversationId, content: 'will be erased' });
  const view = bob.conversations.open(conversationId);
  await view.ready;
  await expect.poll(() => view.getSnapshot().messages.map(({ content }) => content)).toEqual(['will be erased']);
  await api.moderation.ban({ userId: 'ann' });
  await api.eraseUser('ann');
  await expect.poll(() => view.getSnapshot().messages[0]?.deletedAt).toBeDefined();
  await expect.poll(() => ann.status).toBe('unauthenticated');
  await expect.poll(() => view.getSnapshot().conversation?.participants.map(({ userId }) => userId)).toEqual(['bob']);
});
