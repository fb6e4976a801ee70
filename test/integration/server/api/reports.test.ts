import { expect, test } from 'vitest';
import { startServer } from '../../../helpers/server/comm-server.ts';

test('reports are listed with a copy of the message, and resolved once', async () => {
  await using server = await startServer();
  const { api } = server.server;
  const { moderation } = api;
  const [ann, bob] = [await server.connect('ann'), await server.connect('bob')];
  const { id: conversationId } = await api.conversations.create({ type: 'group', participantIds: ['ann', 'bob'] });
  const ids: string[] = [];
  for (const content of ['an insult', 'another insult']) {
    const { id: messageId } = await ann.ask('message:send', { conversationId, content, type: 'text' });
    await bob.ask('message:report', { conversationId, messageId, reason: 'abuse' });
    ids.push(messageId);
  }
  await api.messages.delete({ conversationId, messageId: ids[0] ?? '' });
  const first = await moderation.reports({ limit: 1 });
  expect(first).toMatchObject({
    reports: [{ messageId: ids[0], reporterId: 'bob', reason: 'abuse', message: { content: 'an insult' } }],
    hasMore: true,
  });
  const [report] = first.reports;
  const reportId = report?.id ?? '';
  expect(await moderation.reports({ after: reportId })).toMatchObject({
    reports: [{ messageId: ids[1] }],
    hasMore: false,
  });
  const resolved = await moderation.resolve({ reportId, by: 'mod-7', resolution: 'warned' });
  expect(resolved).toMatchObject({ resolvedBy: 'mod-7', resolution: 'warned' });
  expect(await moderation.resolve({ reportId, by: 'mod-8' })).toEqual(resolved);
  expect((await moderation.reports()).reports.map((each) => each.messageId)).toEqual([ids[1]]);
  expect((await moderation.reports({ state: 'all' })).reports).toHaveLength(2);
  await expect(moderation.resolve({ reportId: '999' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(moderation.reports({ limit: 0 })).rejects.toMatchObject({ code: 'INVALID' });

  const kinds: string[] = [];
  for await (const { kind } of api.exportUser('bob')) kinds.push(kind);
  expect(kinds.filter((kind) => kind === 'report')).toHaveLength(2);
  await api.eraseUser('ann');
  expect((await moderation.reports({ state: 'all' })).reports).toEqual([]);
});
