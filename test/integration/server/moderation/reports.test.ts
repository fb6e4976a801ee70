import { expect, test, vi } from 'vitest';
import type { Report, ServerHooks } from '../../../../src/server/index.ts';
import { caller, startChat } from '../../../helpers/server/chat.ts';
import { startServer } from '../../../helpers/server/comm-server.ts';
import { envelopeOf } from '../../../helpers/server/envelopes.ts';

test('a report keeps a copy of the message, is stored once and told to the hook', async () => {
  const reported: Report[] = [];
  await using server = await startServer({ hooks: { onReport: (report) => void reported.push(report) } });
  const ada = await server.connect('ada');
  const bob = await server.connect('bob');
  const { id: conversationId } = await ada.ask('conversation:create', { type: 'direct', participantIds: ['bob'] });
  const { id: messageId } = await ada.ask('message:send', { conversationId, content: 'buy now', type: 'text' });
  const report = { conversationId, messageId, reason: 'spam' };
  expect(await bob.ask('message:report', { ...report, comment: 'Every day', content: 'made up' })).toBeNull();
  expect(await bob.ask('message:report', { ...report, reason: 'other' })).toBeNull();
  // What its sender does afterwards doesn't change the report.
  await ada.ask('message:delete', { conversationId, messageId });
  expect(reported).toMatchObject([
    {
      id: '1',
      conversationId,
      messageId,
      senderId: 'ada',
      reporterId: 'bob',
      reason: 'spam',
      comment: 'Every day',
      message: { content: 'buy now' },
    },
  ]);
  // The server has the text itself.
  expect(reported[0]).not.toHaveProperty('content');
  expect(await ada.refused('message:report', report)).toMatchObject({ code: 'INVALID' });
});

test('reports are listed and resolved once', async () => {
  const chat = await startChat();
  const { id: conversationId } = await chat.group('ada', 'bob', 'cleo');
  const { id: messageId } = await chat.say('ada', conversationId, 'x');
  for (const userId of ['bob', 'cleo']) {
    await chat.reports.report(caller(userId), { conversationId, messageId, reason: 'spam' });
  }
  const first = await chat.reports.list({ limit: 1 });
  expect([first.reports.map(({ reporterId }) => reporterId), first.hasMore]).toEqual([['bob'], true]);
  const second = await chat.reports.list({ limit: 1, after: first.reports[0]?.id });
  expect([second.reports.map(({ reporterId }) => reporterId), second.hasMore]).toEqual([['cleo'], false]);
  const resolved = await chat.reports.resolve('1', { by: 'mod', resolution: 'deleted' });
  expect(resolved).toMatchObject({ id: '1', resolvedBy: 'mod', resolution: 'deleted' });
  expect(await chat.reports.resolve('1', { by: 'another' })).toEqual(resolved);
  expect((await chat.reports.list()).reports.map(({ id }) => id)).toEqual(['2']);
  expect((await chat.reports.list({ state: 'all' })).reports.map(({ id }) => id)).toEqual(['1', '2']);
  for (const id of ['3', '0', 'x']) await expect(chat.reports.resolve(id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  chat.sqlite.close();
});

test('of an encrypted message the report has the text that the reporter adds, and not the envelopes of others', async () => {
  const chat = await startChat();
  const { id: conversationId } = await chat.direct('ada', 'bob');
  const sealed = { encrypted: true, envelope: envelopeOf('ada', 'bob') };
  const { id: messageId } = await chat.say('ada', conversationId, 'x', sealed);
  const content = 'the readable text';
  await chat.reports.report(caller('bob'), { conversationId, messageId, reason: 'threat', content });
  const { reports } = await chat.reports.list();
  expect(reports).toMatchObject([{ content, message: { encrypted: true, content: '', envelope: sealed.envelope } }]);
  chat.sqlite.close();
});

test('a user reports a limited number of messages in a time', async () => {
  const chat = await startChat();
  const { id: conversationId } = await chat.direct('ada', 'bob');
  const report = async (): Promise<void> => {
    const { id: messageId } = await chat.say('ada', conversationId, 'x');
    await chat.reports.report(caller('bob'), { conversationId, messageId, reason: 'spam' });
  };
  for (let at = 0; at < 20; at += 1) await report();
  await expect(report()).rejects.toMatchObject({ code: 'RATE_LIMITED' });
  expect((await chat.reports.list()).reports).toHaveLength(20);
  chat.sqlite.close();
});

test('a hook that fails or does not answer does not affect the reporter', async () => {
  const hooks: ServerHooks = {
    onReport: vi
      .fn<NonNullable<ServerHooks['onReport']>>()
      .mockImplementationOnce(() => {
        throw new Error('broken');
      })
      .mockImplementationOnce(() => new Promise(() => undefined)),
  };
  const chat = await startChat({ hooks });
  const { id: conversationId } = await chat.direct('ada', 'bob');
  for (const content of ['one', 'two']) {
    const { id: messageId } = await chat.say('ada', conversationId, content);
    await chat.reports.report(caller('bob'), { conversationId, messageId, reason: 'spam' });
  }
  chat.clock.advance(2_000);
  expect(hooks.onReport).toHaveBeenCalledTimes(2);
  expect((await chat.reports.list()).reports).toHaveLength(2);
  chat.sqlite.close();
});
