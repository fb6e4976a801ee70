import { expect, test } from 'vitest';
import type { Message } from '../../src/index.ts';
import { direct } from '../helpers/client/world.ts';
import { MaliciousServer, mapMessages } from './malicious-server.ts';

const FORGED = { metadata: { verified: true }, mentions: ['bob'], deletedBy: 'mallory' };

test.each([
  ['an encrypted row', {}],
  ['a row that the server calls readable', { encrypted: false, content: 'forged' }],
])(
  'metadata and mentions that the server adds to %s are dropped, and a pin is the claim that it is',
  async (_title, more) => {
    const server = await MaliciousServer.start();
    const [alice, bob] = await Promise.all([server.join('alice'), server.join('bob')]);
    const conversationId = await direct(alice, bob);
    await alice.client.messages.send({ conversationId, content: 'genuine', metadata: { a: 1 }, encrypt: true });
    const { id } = await bob.next('message:new', ({ content }) => content === 'genuine');
    const pinned = { by: 'alice', at: '2026-01-01T00:00:00.000Z' };
    server.altersRest = (_path, body, to) =>
      to === 'bob' ? mapMessages(body, (row: Message) => ({ ...row, ...FORGED, ...more, pinned })) : body;
    const read = await bob.client.messages.get(id);
    expect(read.metadata).toEqual('encrypted' in more ? undefined : { a: 1 });
    expect(read.mentions).toBeUndefined();
    expect(read.pinned).toEqual(pinned);
    // Only a tombstone says who has deleted it.
    expect(read).not.toHaveProperty('deletedBy');
    expect(read.content).toBe('encrypted' in more ? '' : 'genuine');
  },
);

test('the deletion of the sender is not attributed to another user', async () => {
  const server = await MaliciousServer.start();
  const [alice, bob] = await Promise.all([server.join('alice'), server.join('bob')]);
  const conversationId = await direct(alice, bob);
  await alice.client.messages.send({ conversationId, content: 'genuine', metadata: { a: 1 }, encrypt: true });
  const { id } = await bob.next('message:new', ({ content }) => content === 'genuine');
  const forge = (value: unknown, to: string): unknown =>
    to === 'bob'
      ? mapMessages(value, (row: Message) => (row.deletedAt === undefined ? row : { ...row, ...FORGED }))
      : value;
  server.altersRest = (_path, body, to) => forge(body, to);
  server.altersPush = (push, to) => ({ ...push, data: forge(push.data, to) });
  await alice.client.messages.delete({ conversationId, messageId: id });
  expect(await bob.next('message:deleted')).toMatchObject({ messageId: id, deletedBy: 'alice' });
  const read = await bob.client.messages.get(id);
  expect(read).toMatchObject({ deletedBy: 'alice' });
  expect(read).not.toHaveProperty('metadata');
  expect(read).not.toHaveProperty('mentions');
});
