import { expect, test } from 'vitest';
import { parseBusMessages } from '../../../../src/server/sockets/bus-message.ts';

const push = { event: 'conversation:left', data: { conversationId: 'c', userId: 'u' } };

test('what is not valid is left out, and the rest is kept in order', () => {
  const messages = [
    { to: 'conversation', push, options: { exceptUserId: 'u' } },
    { to: 'conversation', push },
    { to: 'of a later version', push },
    { to: 'user', push: null, options: {} },
    { to: 'user', push: { event: 1 }, options: {} },
    null,
    { to: 'disconnect' },
  ];
  expect(parseBusMessages(JSON.stringify(messages))).toEqual([messages[0], messages[6]]);
});

test.each(['', 'text', '{}', 'null', '[', '1'])('%j has no messages', (payload) => {
  expect(parseBusMessages(payload)).toEqual([]);
});
