import { expect, test } from 'vitest';
import { CommError } from '../../../src/protocol/errors.ts';
import { silentLogger } from '../../../src/lib/logger.ts';
import { ContactPolicy } from '../../../src/server/services/people/contact-policy.ts';
import { caller, startChat } from '../../helpers/server/chat.ts';
import { startServer } from '../../helpers/server/comm-server.ts';
import { manualClock } from '../../helpers/manual-clock.ts';

/** Only dan may contact carol. */
const mayContact = (callerId: string, userIds: readonly string[]): boolean =>
  callerId === 'dan' || !userIds.includes('carol');

test('a stranger puts no user into a conversation who may not be contacted', async () => {
  const chat = await startChat({ hooks: { mayContact } });
  const refused = { code: 'FORBIDDEN', message: 'You may not contact this user' };
  const create = (type: 'direct' | 'group', participantIds: string[]) =>
    chat.conversations.create(caller('mallory'), { type, participantIds });
  await expect(create('direct', ['carol'])).rejects.toMatchObject(refused);
  await expect(create('group', ['bob', 'carol'])).rejects.toMatchObject(refused);
  const { id: conversationId } = await chat.group('mallory', 'bob');
  const add = chat.membership.add(caller('mallory'), { conversationId, userIds: ['carol'] });
  await expect(add).rejects.toMatchObject(refused);
  // A conversation that exists is returned.
  const { id } = await chat.direct('dan', 'carol');
  expect(
    (await chat.conversations.create(caller('carol'), { type: 'direct', participantIds: ['dan'] })).conversation.id,
  ).toBe(id);
  chat.sqlite.close();
});

test('presence, keys and calls of such a user stay closed, also in a common group', async () => {
  await using server = await startServer({ hooks: { mayContact } });
  const dan = await server.connect('dan');
  const mallory = await server.connect('mallory');
  const { id: conversationId } = await dan.ask('conversation:create', {
    type: 'group',
    participantIds: ['mallory', 'carol', 'bob'],
  });
  const seen = await mallory.ask('presence:watch', { userIds: ['carol', 'bob', 'dan'] });
  expect(seen.map(({ userId }) => userId)).toEqual(['bob', 'dan']);
  expect(await mallory.refused('encryption:request-keys', { recipientId: 'carol' })).toMatchObject({
    code: 'NOT_FOUND',
  });
  const call = { conversationId, type: 'audio', calleeIds: ['carol'] } as const;
  expect(await mallory.refused('call:initiate', call)).toMatchObject({ code: 'FORBIDDEN' });
  expect(await dan.ask('call:initiate', call)).toMatchObject({ state: 'initiating' });
});

test('the hook may be asynchronous, choose the error, fail or not answer', async () => {
  const clock = manualClock();
  const ask = (hook: (callerId: string) => boolean | Promise<boolean>): Promise<void> =>
    new ContactPolicy({ mayContact: hook }, clock, silentLogger).require(caller('ada'), ['bob']);
  await ask(async () => true);
  await expect(ask(async () => false)).rejects.toMatchObject({ code: 'FORBIDDEN' });
  await expect(ask(() => Promise.reject(new CommError('CONFLICT', 'Not now')))).rejects.toMatchObject({
    code: 'CONFLICT',
  });
  await expect(ask(() => Promise.reject(new Error('broken')))).rejects.toMatchObject({ code: 'INTERNAL' });
  const silent = ask(() => new Promise<boolean>(() => undefined));
  clock.advance(2_000);
  await expect(silent).rejects.toMatchObject({ code: 'INTERNAL' });
  await new ContactPolicy({ mayContact: () => false }, clock, silentLogger).require(
    { userId: 'app', caps: new Set(), trusted: true },
    ['bob'],
  );
});
