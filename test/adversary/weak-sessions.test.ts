import { expect, test } from 'vitest';
import type { EncryptedEnvelope, Message } from '../../src/index.ts';
import { direct } from '../helpers/client/world.ts';
import { MaliciousServer } from './malicious-server.ts';

test('a server that provokes a new session can not take the one-time prekey from the next messages', async () => {
  const server = await MaliciousServer.start();
  const [alice, bob] = await Promise.all([server.join('alice'), server.join('bob')]);
  const conversationId = await direct(alice, bob);
  const say = (from: typeof alice, content: string): Promise<Message> =>
    from.client.messages.send({ conversationId, content, encrypt: true });
  const sessions = (): string[] =>
    server.requests
      .filter(({ from, name }) => from === 'alice' && (name === 'message:send' || name === 'encryption:session-init'))
      .map(({ payload }) => (payload as { envelope: EncryptedEnvelope }).envelope.sessionId);
  await say(alice, 'hello');
  await bob.next('message:new');
  await alice.sessionWith('bob');
  await say(alice, 'on the acknowledged session');
  const working = sessions().at(-1);

  // A message on a session that Alice doesn't have makes her start another one. The server keeps back Bob's one-time
  // prekeys, and what Alice sends on the new session.
  server.altersResponse = (name, data) => {
    if (name !== 'encryption:request-keys') return data;
    const { oneTimePreKey: _kept, ...rest } = data as Record<string, unknown>;
    return rest;
  };
  server.altersPush = (push, to) => {
    if (push.event === 'encryption:session-init' && to === 'bob') return undefined;
    const row = push.data as Partial<Message>;
    if (push.event !== 'message:new' || to !== 'alice' || row.senderId !== 'bob' || !row.envelope) return push;
    return { ...push, data: { ...row, envelope: { ...row.envelope, sessionId: 'A'.repeat(22) } } };
  };
  await say(bob, 'on an invented session');
  await expect.poll(() => sessions().at(-1)).not.toBe(working);

  await say(alice, 'still on the acknowledged session');
  expect(sessions().at(-1)).toBe(working);
  await bob.next('message:new', ({ content }) => content === 'still on the acknowledged session');
});
