import { describe, expect, test } from 'vitest';
import { CAPABILITIES } from '../../../../src/protocol/constants.ts';
import type { BatchedRequest } from '../../../../src/protocol/events.ts';
import { manualClock } from '../../../helpers/manual-clock.ts';
import { startServer } from '../../../helpers/server/comm-server.ts';

const WITHOUT_BATCH = CAPABILITIES.filter((capability) => capability !== 'batch');

const sends = (conversationId: string, ...contents: string[]): BatchedRequest[] =>
  contents.map((content) => ({ name: 'message:send', payload: { conversationId, content, type: 'text' } }));

describe('a batch of requests', () => {
  test('is answered with the replies in order; each request is validated and rejected by itself', async () => {
    await using server = await startServer();
    const ada = await server.connect('ada');
    const { id: conversationId } = await ada.ask('conversation:create', { type: 'group', participantIds: ['bob'] });
    const replies = await ada.ask('batch', {
      requests: [
        ...sends(conversationId, 'one'),
        { name: 'message:send', payload: { conversationId, content: 7 } },
        { name: 'message:send', payload: null },
        { name: 'sync', payload: {} },
        { name: 'batch', payload: { requests: [] } },
        { name: 'message:delivered', payload: { conversationId, seq: 1 } },
        ...sends('nowhere', 'two'),
        ...sends(conversationId, 'three'),
        { name: 'message:read', payload: { conversationId, messageId: '1' } },
      ],
    });
    const short = replies.map((reply) => (reply.ok ? reply.data : reply.error.code));
    expect(short).toMatchObject([
      { content: 'one', seq: 1 },
      'INVALID',
      'INVALID',
      'UNSUPPORTED',
      'UNSUPPORTED',
      null,
      'NOT_FOUND',
      { content: 'three', seq: 2 },
      { lastReadSeq: 1 },
    ]);
  });

  test.each<[title: string, payload: unknown]>([
    ['no request', { requests: [] }],
    ['no list', {}],
    ['no object', 7],
    ['129 requests', { requests: Array.from({ length: 129 }, () => ({ name: 'message:read', payload: {} })) }],
    ['a name that is too long', { requests: [{ name: 'x'.repeat(65), payload: {} }] }],
    ['more than 256 KiB', { requests: sends('c', 'x'.repeat(150_000), 'y'.repeat(150_000)) }],
  ])('with %s is INVALID', async (_title, payload) => {
    await using server = await startServer();
    const ada = await server.connect('ada');
    expect(await ada.refused('batch', payload)).toMatchObject({ code: 'INVALID' });
    expect(await ada.raw('comm:ping', {})).toMatchObject({ ok: true });
  });

  test('each message is charged', async () => {
    await using server = await startServer({ limits: { messages: { burst: 3, perSecond: 1e-3 } } });
    const ada = await server.connect('ada');
    const { id: conversationId } = await ada.ask('conversation:create', { type: 'group', participantIds: [] });
    const replies = await ada.ask('batch', { requests: sends(conversationId, '1', '2', '3', '4', '5') });
    const codes = replies.map((reply) => (reply.ok ? 'stored' : reply.error.code));
    expect(codes).toEqual(['stored', 'stored', 'stored', 'RATE_LIMITED', 'RATE_LIMITED']);
  });

  test('each request is charged', async () => {
    await using server = await startServer({ limits: { requests: { burst: 20, perSecond: 1e-3 } } });
    const ada = await server.connect('ada');
    const requests = Array.from({ length: 30 }, () => ({
      name: 'message:read',
      payload: { conversationId: 'c', messageId: '1' },
    }));
    const codes = (await ada.ask('batch', { requests })).map((reply) => (reply.ok ? '' : reply.error.code));
    expect(codes.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => 'NOT_FOUND'));
    expect(codes.slice(-11)).toEqual(Array.from({ length: 11 }, () => 'RATE_LIMITED'));
  });

  test('attachments are charged as work', async () => {
    await using server = await startServer({ limits: { requests: { burst: 20, perSecond: 1e-3 } } });
    const ada = await server.connect('ada');
    const { id: conversationId } = await ada.ask('conversation:create', { type: 'group', participantIds: [] });
    const file = { url: 'https://example.org/a', fileName: 'a.png', fileSize: 1, mimeType: 'image/png' };
    const attachments = Array.from({ length: 10 }, () => file);
    const message = { conversationId, content: '', type: 'file', attachments };
    const requests = Array.from({ length: 5 }, () => ({ name: 'message:send', payload: message }));
    const codes = (await ada.ask('batch', { requests })).map((reply) => (reply.ok ? 'stored' : reply.error.code));
    expect(codes).toEqual(['stored', 'stored', 'stored', 'RATE_LIMITED', 'RATE_LIMITED']);
  });

  test('can be answered without what the requests have', async () => {
    await using server = await startServer();
    const ada = await server.connect('ada');
    const { id: conversationId } = await ada.ask('conversation:create', { type: 'group', participantIds: [] });
    const rich = { conversationId, content: 'two', type: 'text', metadata: { colour: 'red' } };
    const replies = await ada.ask('batch', {
      requests: [...sends('nowhere', 'zero'), ...sends(conversationId, 'one'), { name: 'message:send', payload: rich }],
      brief: true,
    });
    expect(replies).toMatchObject([{ ok: false }, { ok: true }, { ok: true, data: { ...rich, seq: 2 } }]);
    const brief = replies[1]?.ok === true ? replies[1].data : undefined;
    expect(brief).toEqual({
      id: '1',
      createdAt: expect.any(String) as unknown,
      seq: 1,
      rev: expect.any(Number) as unknown,
    });
  });

  test('a confirmation does not delay the answers of the others', async () => {
    const clock = manualClock();
    await using server = await startServer({ clock });
    const ada = await server.connect('ada');
    const { id: conversationId } = await ada.ask('conversation:create', { type: 'group', participantIds: [] });
    await ada.ask('message:send', { conversationId, content: 'zero', type: 'text' });
    // Those that follow are collected.
    await ada.ask('message:delivered', { conversationId, seq: 1 });
    const replies = await ada.ask('batch', {
      requests: [
        ...sends(conversationId, 'one'),
        { name: 'message:delivered', payload: { conversationId, seq: 1 } },
        ...sends(conversationId, 'two'),
      ],
    });
    expect(replies.map(({ ok }) => ok)).toEqual([true, true, true]);
  });

  test.each([
    ['of one byte', 'x'],
    ['of three bytes', '€'],
    ['that JSON escapes', '\u0001'],
  ])('replies above 768 KiB are left out, and their requests can be repeated: characters %s', async (_title, char) => {
    await using server = await startServer({ config: { maxMessageLength: 100_000 } });
    const ada = await server.connect('ada');
    const { id: conversationId } = await ada.ask('conversation:create', { type: 'group', participantIds: [] });
    const large = { conversationId, content: char.repeat(100_000), type: 'text', clientId: 'large' } as const;
    const { id } = await ada.ask('message:send', large);
    const repeated = { name: 'message:send', payload: { ...large, content: 'x' } };
    const replies = await ada.ask('batch', { requests: Array.from({ length: 20 }, () => repeated) });
    expect(replies[0]).toMatchObject({ ok: true, data: { id } });
    expect(replies.at(-1)).toMatchObject({ ok: false, error: { code: 'RATE_LIMITED' } });
    expect(Buffer.byteLength(JSON.stringify(replies))).toBeLessThan(800_000);
  });

  test('a user who is not a member gets the same replies as for an unknown conversation', async () => {
    await using server = await startServer();
    const ada = await server.connect('ada');
    const eve = await server.connect('eve');
    const { id: conversationId } = await ada.ask('conversation:create', { type: 'group', participantIds: [] });
    const foreign = await eve.ask('batch', { requests: sends(conversationId, '1', '2') });
    expect(foreign).toEqual(await eve.ask('batch', { requests: sends('nowhere', '1', '2') }));
    expect(foreign[1]).toMatchObject({ error: { code: 'NOT_FOUND' } });
  });
});

test('a batch without an acknowledgement is answered with an error push', async () => {
  await using server = await startServer();
  const ada = await server.connect('ada');
  ada.emit('batch', { requests: sends('nowhere', '1') });
  expect(await ada.next('error')).toMatchObject({ code: 'INVALID', event: 'batch' });
});

test('pushes of a batch are one frame for clients with the capability, and single frames for all others', async () => {
  await using server = await startServer();
  const ada = await server.connect('ada');
  const bob = await server.connect('bob');
  const old = await server.connect('bob', { caps: WITHOUT_BATCH });
  const base = await server.connectBase('cleo');
  const { id: conversationId } = await ada.ask('conversation:create', {
    type: 'group',
    participantIds: ['bob', 'cleo'],
  });
  base.emit('conversation:join', { conversationId });
  await base.settled();
  const contents = Array.from({ length: 10 }, (_, index) => `${index}`);
  await ada.ask('batch', { requests: sends(conversationId, ...contents) });
  await Promise.all(
    [ada, bob, old, base].map((client) => client.next('message:new', ({ content }) => content === '9')),
  );
  const batches = [ada, bob, old, base].map((client) => {
    expect(client.payloads('message:new').map(({ content }) => content)).toEqual(contents);
    return client.batches;
  });
  expect(batches).toEqual([[10], [10], [], []]);
});

test('a member who is removed between two batches receives the first one only', async () => {
  await using server = await startServer();
  const ada = await server.connect('ada');
  const bob = await server.connect('bob');
  const { id: conversationId } = await ada.ask('conversation:create', { type: 'group', participantIds: ['bob'] });
  await ada.ask('batch', { requests: sends(conversationId, '1', '2') });
  await ada.ask('conversation:remove-participant', { conversationId, userId: 'bob' });
  await ada.ask('batch', { requests: sends(conversationId, '3', '4') });
  await bob.next('conversation:left');
  await bob.settled();
  expect(bob.payloads('message:new').map(({ content }) => content)).toEqual(['1', '2']);
  expect(await bob.ask('batch', { requests: sends(conversationId, '5', '6') })).toMatchObject([
    { error: { code: 'NOT_FOUND' } },
    { error: { code: 'NOT_FOUND' } },
  ]);
});

test('a user who joins receives batches from then on', async () => {
  await using server = await startServer();
  const ada = await server.connect('ada');
  const bob = await server.connect('bob');
  const { id: conversationId } = await ada.ask('conversation:create', { type: 'group', participantIds: [] });
  await ada.ask('conversation:add-participants', { conversationId, userIds: ['bob'] });
  await ada.ask('batch', { requests: sends(conversationId, '1', '2') });
  await bob.next('message:new', ({ content }) => content === '2');
  expect(bob.batches).toEqual([2]);
});

test('receipts of an interval are collected for clients with the capability; others receive each of them', async () => {
  const clock = manualClock();
  await using server = await startServer({ clock });
  const ada = await server.connect('ada');
  const old = await server.connect('ada', { caps: WITHOUT_BATCH });
  const base = await server.connectBase('ada');
  const readers = ['bob', 'cleo', 'dan'];
  const { id: conversationId } = await ada.ask('conversation:create', { type: 'group', participantIds: readers });
  base.emit('conversation:join', { conversationId });
  await base.settled();
  const { id: messageId } = await ada.ask('message:send', { conversationId, content: 'hi', type: 'text' });
  const sockets = await Promise.all(readers.map((userId) => server.connect(userId)));
  await Promise.all(sockets.map((socket) => socket.ask('message:read', { conversationId, messageId })));
  clock.advance(1_000);
  expect(await ada.next('read-receipt:collected')).toMatchObject({ conversationId, receipts: [{ messageId, seq: 1 }] });
  await ada.settled();
  const received = [
    ...ada.payloads('read-receipt:update').map(({ readBy }) => readBy.userId),
    ...ada.payloads('read-receipt:collected').flatMap(({ receipts }) => receipts.flatMap(({ userIds }) => userIds)),
  ];
  expect(received.toSorted()).toEqual(readers);
  for (const client of [old, base]) {
    await client.settled();
    const single = client.payloads('read-receipt:update').map(({ readBy }) => readBy.userId);
    expect([single.toSorted(), client.payloads('read-receipt:collected')]).toEqual([readers, []]);
  }
  expect(ada.payloads('message:status').at(-1)).toMatchObject({ messageId, status: 'read' });
});
