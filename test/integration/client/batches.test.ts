import { expect, test } from 'vitest';
import { FaultyPort } from '../../helpers/client/faulty-port.ts';
import type { App } from '../../helpers/client/app.ts';
import { manualClock } from '../../helpers/manual-clock.ts';
import { chat, direct, group, startWorld } from '../../helpers/client/world.ts';
import type { Handshake } from '../../../src/transport/socket-port.ts';

/** A client that does not offer the capability `batch`. To it, the server is one without batches. */
class PortWithoutBatches extends FaultyPort {
  override connect({ auth, query }: Handshake): void {
    const caps = (auth['caps'] as string[]).filter((capability) => capability !== 'batch');
    super.connect({ auth: { ...auth, caps }, query });
  }
}

const texts = (count: number): string[] => Array.from({ length: count }, (_, index) => `${index}`);
const sendAll = (app: App, conversationId: string, contents: readonly string[]) =>
  Promise.all(contents.map((content) => app.client.messages.send({ conversationId, content })));
test('many messages are sent and received in few frames, in order', async () => {
  const { alice, bob, conversationId } = await chat();
  const sent = await sendAll(alice, conversationId, texts(300));
  expect(sent.map(({ seq }) => seq)).toEqual(Array.from({ length: 300 }, (_, index) => index + 1));
  await bob.next('message:new', ({ content }) => content === '299');
  expect(bob.all('message:new').map(({ content }) => content)).toEqual(texts(300));
  const frames = alice.port.sent.filter((name) => name === 'batch' || name === 'message:send');
  expect(frames.length).toBeLessThanOrEqual(10);
  expect(bob.port.pushes.filter(({ event }) => event === 'batch' || event === 'message:new').length).toBeLessThan(20);
});

test('messages of a batch whose answer and pushes were lost are stored and shown once', async () => {
  const { alice, bob, conversationId } = await chat();
  let loses = true;
  alice.port.losesAck = () => loses;
  alice.port.losesPush = () => loses;
  const sending = sendAll(alice, conversationId, texts(50));
  await bob.next('message:new', ({ content }) => content === '49');
  loses = false;
  alice.port.cut();
  const sent = await sending;
  expect(new Set(sent.map(({ id }) => id)).size).toBe(50);
  expect(alice.port.sent).toContain('batch');
  expect(bob.all('message:new').map(({ content }) => content)).toEqual(texts(50));
});

test('clients with and without batches chat with each other', async () => {
  const world = await startWorld();
  const port = new PortWithoutBatches(world.server.url);
  const old = await world.join('old', { socket: port });
  const bob = await world.join('bob');
  const conversationId = await direct(old, bob);
  await Promise.all([sendAll(old, conversationId, texts(40)), sendAll(bob, conversationId, texts(40))]);
  await Promise.all([
    old.next('message:new', ({ content, senderId }) => content === '39' && senderId === 'bob'),
    bob.next('message:new', ({ content, senderId }) => content === '39' && senderId === 'old'),
  ]);
  for (const app of [old, bob]) {
    for (const senderId of ['old', 'bob']) {
      const messages = app.all('message:new').filter((message) => message.senderId === senderId);
      expect(messages.map(({ content }) => content)).toEqual(texts(40));
    }
  }
  expect(port.sent).not.toContain('batch');
  expect(port.pushes.map(({ event }) => event)).not.toContain('batch');
  expect(bob.port.sent).toContain('batch');
});

test('receipts that the server has collected reach the listeners one by one', async () => {
  const clock = manualClock();
  const world = await startWorld({ clock });
  const participantIds = ['bob', 'cleo', 'dan'];
  const ada = await world.join('ada');
  const readers = await Promise.all(participantIds.map((userId) => world.join(userId)));
  const conversationId = await group(ada, ...readers);
  const { id: messageId } = await ada.client.messages.send({ conversationId, content: 'hi' });
  await Promise.all(readers.map(({ client }) => client.messages.markRead({ conversationId, messageId })));
  clock.advance(1_000);
  for (const userId of participantIds) await ada.next('read-receipt:update', ({ readBy }) => readBy.userId === userId);
  await ada.next('message:status', ({ status }) => status === 'read');
  expect(ada.port.pushes.some(({ event }) => event === 'read-receipt:collected')).toBe(true);
  const read = ada.all('read-receipt:update').map(({ readBy }) => readBy.userId);
  expect(read.toSorted()).toEqual(participantIds);
});
