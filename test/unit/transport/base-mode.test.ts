import { beforeEach, describe, expect, test } from 'vitest';
import type { RequestName, RequestOf } from '../../../src/protocol/events.ts';
import { BaseModeRequester } from '../../../src/transport/base-mode.ts';
import { RequestChannel } from '../../../src/transport/request-channel.ts';
import { baseMessage } from '../../helpers/client/messages.ts';
import { FakeSocket, settle } from '../../helpers/client/fake-socket.ts';
import { rejectionOf } from '../../helpers/client/rejection.ts';
import { manualClock, type ManualClock } from '../../helpers/manual-clock.ts';

const room = { conversationId: 'conversation' };
const ref = { ...room, messageId: '1' };
let socket: FakeSocket;
let clock: ManualClock;
let channel: RequestChannel;
let base: BaseModeRequester;

beforeEach(() => {
  socket = new FakeSocket();
  clock = manualClock();
  channel = new RequestChannel(socket, clock, 10_000);
  channel.opened();
  base = new BaseModeRequester(channel, clock, 10_000, () => 'alice', ['archive', 'mute', 'pin', 'forward', 'calls']);
});

function own(id: number, content = 'Hello'): object {
  return baseMessage(id, { senderId: 'alice', content });
}
function send(content = 'Hello') {
  return base.request('message:send', { ...room, content, type: 'text' });
}

describe('the push that answers a request', () => {
  const rows: [title: string, name: RequestName, request: object, event: string, data: object][] = [
    ['a sent message', 'message:send', { ...room, content: 'Hello', type: 'text' }, 'message:new', own(7)],
    [
      'a forwarded message',
      'message:forward',
      { messageId: '1', fromConversationId: 'other', toConversationId: 'conversation' },
      'message:forwarded',
      { ...own(7), forwardedFrom: { conversationId: 'other', messageId: '1' } },
    ],
    [
      'an edited message',
      'message:edit',
      { ...ref, content: 'x' },
      'message:updated',
      { messageId: '1', content: 'x' },
    ],
    ['a deleted message', 'message:delete', ref, 'message:deleted', { ...ref, deletedBy: 'alice' }],
    [
      'a reaction',
      'message:react',
      { ...ref, emoji: '+' },
      'message:reaction-update',
      { messageId: '1', reactions: [] },
    ],
    ['a read message', 'message:read', ref, 'read-receipt:update', { ...ref, readBy: { userId: 'alice', readAt: '' } }],
    [
      'a new conversation',
      'conversation:create',
      { type: 'direct', participantIds: ['bob'] },
      'conversation:new',
      { id: 'c', type: 'direct', participants: [{ userId: 'alice' }, { userId: 'bob' }] },
    ],
    [
      'a new group',
      'conversation:create',
      { type: 'group', name: 'G', participantIds: [] },
      'conversation:new',
      { id: 'c', type: 'group', name: 'G', participants: [] },
    ],
  ];
  test.each(rows)('%s', async (_title, name, request, event, data) => {
    const answer = base.request(name, request);
    base.pushed(event, data);
    await answer;
    expect(socket.names().at(-1)).toBe(`nk:${name}`);
    expect(clock.pending).toBe(0);
  });

  const others: [title: string, name: RequestName, request: object, event: string, data: unknown][] = [
    [
      "another user's message",
      'message:send',
      { ...room, content: 'Hello', type: 'text' },
      'message:new',
      baseMessage(7, { content: 'Hello' }),
    ],
    ['another text', 'message:send', { ...room, content: 'Hello', type: 'text' }, 'message:new', own(7, 'Other')],
    [
      'another conversation',
      'message:send',
      { ...room, content: 'Hello', type: 'text' },
      'message:new',
      { ...own(7), conversationId: 'other' },
    ],
    ['another message', 'message:edit', { ...ref, content: 'x' }, 'message:updated', { messageId: '2' }],
    ["another user's receipt", 'message:read', ref, 'read-receipt:update', { ...ref, readBy: { userId: 'bob' } }],
    [
      'a conversation without the requested participant',
      'conversation:create',
      { type: 'direct', participantIds: ['bob'] },
      'conversation:new',
      { id: 'c', type: 'direct', participants: [{ userId: 'carol' }] },
    ],
    [
      'another group',
      'conversation:create',
      { type: 'group', name: 'G', participantIds: [] },
      'conversation:new',
      { id: 'c', type: 'group', name: 'H', participants: [] },
    ],
    ['a malformed push', 'message:send', { ...room, content: 'Hello', type: 'text' }, 'message:new', null],
  ];
  test.each(others)('is not %s', async (_title, name, request, event, data) => {
    const rejected = rejectionOf(base.request(name, request));
    base.pushed(event, data);
    clock.advance(10_000);
    expect(await rejected).toMatchObject({
      code: 'TIMEOUT',
    });
  });
});

test('message:send resolves with the pushed message', async () => {
  const answer = send();
  base.pushed('message:new', own(7));
  expect(await answer).toMatchObject({ id: '7', content: 'Hello', status: 'sent' });
});

test('of two requests with the same text a push answers the older one', async () => {
  const [first, second] = [send(), send()];
  base.pushed('message:new', own(7));
  base.pushed('message:new', own(8));
  expect([(await first).id, (await second).id]).toEqual(['7', '8']);
});

test('a request without an observable effect resolves when it is sent', async () => {
  expect(await base.request('typing:start', room)).toBeNull();
  expect(await base.request('presence:update', { status: 'busy' })).toBeNull();
  expect(socket.names()).toEqual(['nk:conversation:join', 'nk:typing:start', 'nk:presence:update']);
});

test.each([
  'conversation:update',
  'conversation:add-participants',
  'conversation:remove-participant',
  'conversation:set-role',
] as const)('%s is UNSUPPORTED, and nothing is sent', async (name) => {
  const request: object = { ...room, userId: 'bob', userIds: ['bob'], name: 'x', role: 'admin' };
  await expect(base.request(name, request as RequestOf<typeof name>)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  expect(socket.sent).toEqual([]);
});

test('a room is joined once before the first request for it, and again after the connection was lost', async () => {
  void base.request('typing:start', room);
  void base.request('typing:stop', room);
  expect(socket.names()).toEqual(['nk:conversation:join', 'nk:typing:start', 'nk:typing:stop']);
  base.closed();
  void base.request('typing:start', room);
  expect(socket.names().slice(3)).toEqual(['nk:conversation:join', 'nk:typing:start']);
});

test('the next request for a room that was left joins it again', async () => {
  await base.request('conversation:join', room);
  await base.request('conversation:leave', room);
  await base.request('typing:start', room);
  expect(socket.names()).toEqual([
    'nk:conversation:join',
    'nk:conversation:leave',
    'nk:conversation:join',
    'nk:typing:start',
  ]);
});

test('message:forward joins the room of the target conversation', () => {
  void base
    .request('message:forward', { messageId: '1', fromConversationId: 'from', toConversationId: 'to' })
    .catch(() => undefined);
  expect(socket.sent[0]).toMatchObject({ event: 'nk:conversation:join', payload: { conversationId: 'to' } });
  base.closed();
});

test('a lost connection rejects pending requests and leaves no timer', async () => {
  const rejected = rejectionOf(send());
  base.closed();
  expect(await rejected).toMatchObject({ code: 'DISCONNECTED' });
  expect(clock.pending).toBe(0);
});

test('a request without a connection rejects and sends nothing', async () => {
  channel.closed();
  await expect(send()).rejects.toMatchObject({ code: 'DISCONNECTED' });
  expect(socket.sent).toEqual([]);
});

test('an aborted request does not consume the answer of the next one', async () => {
  const controller = new AbortController();
  const reason = new Error('enough');
  const first = base.request('message:read', ref, { signal: controller.signal });
  controller.abort(reason);
  await expect(first).rejects.toBe(reason);
  const second = base.request('message:read', ref);
  base.pushed('read-receipt:update', { ...ref, readBy: { userId: 'alice', readAt: '' } });
  expect(await second).toBeNull();
  expect(clock.pending).toBe(0);
});

test('a request with an aborted signal sends nothing', async () => {
  await expect(base.request('typing:start', room, { signal: AbortSignal.abort('no') })).rejects.toBe('no');
  await settle();
  expect(socket.sent).toEqual([]);
});
