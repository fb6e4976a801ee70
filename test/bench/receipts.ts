import { io, type Socket } from 'socket.io-client';
import { inPairs, type Result } from './measure.ts';
import type { ServerProcess } from './process.ts';
import { commClient, type Side } from './sides.ts';

/**
 * Processor time of the server while all members of a group, each connected, read one message at once: until all receipts
 * are acknowledged and the sender has them. The baseline is the time of the relay for one message to as many users.
 */
export async function receipts(
  servers: Readonly<Record<'lumen' | 'baseline', ServerProcess>>,
  relay: Side,
  { readers: count, rounds }: { readers: number; rounds: number },
): Promise<Result> {
  const userIds = Array.from({ length: count }, (_, index) => `reader-${index}`);
  const sender = commClient(servers.lumen.url, 'sender');
  await sender.connect();
  const participantIds = userIds.slice(0, count - 1);
  const { id: conversationId } = await sender.conversations.create({ type: 'group', name: 'Readers', participantIds });
  const readers: Socket[] = [];
  for (const userId of participantIds) readers.push(await connected(servers.lumen.url, userId));
  let missing = 0;
  let received = (): void => undefined;
  sender.on('read-receipt:update', () => {
    missing -= 1;
    if (missing === 0) received();
  });
  const read = async (): Promise<void> => {
    const { id: messageId } = await sender.messages.send({ conversationId, content: 'read this' });
    missing = readers.length;
    const all = new Promise<void>((resolve) => (received = resolve));
    const answered = readers.map((socket) => socket.emitWithAck('nk:message:read', { conversationId, messageId }));
    await Promise.all([all, ...answered]);
  };
  const room = await relay.room(userIds);
  const members = await Promise.all(userIds.map((userId) => room.enter(userId)));
  const last = members.at(-1);
  const sendOne = async (): Promise<void> => {
    const arrived = new Promise<void>((resolve) => last?.listen(() => resolve()));
    await Promise.all([members[0]?.send('read this'), arrived]);
  };
  const pairs = await inPairs(
    rounds,
    async (side) => {
      const { processorMs } = await servers[side].usage();
      await (side === 'lumen' ? read() : sendOne());
      return (await servers[side].usage()).processorMs - processorMs;
    },
    1_000,
  );
  for (const socket of readers) socket.disconnect();
  for (const member of members) member.leave();
  await sender[Symbol.asyncDispose]();
  const name = `processor time of ${count.toLocaleString('en')} receipts, to one message to as many`;
  return { name, unit: 'ms', pairs };
}

async function connected(url: string, userId: string): Promise<Socket> {
  const socket = io(`${url}/nk/messages`, {
    path: '/__nk_socketio/',
    transports: ['websocket'],
    forceNew: true,
    reconnection: false,
    query: { userId },
    auth: { caps: ['ack', 'rev', 'batch'] },
  });
  await new Promise((resolve, reject) => socket.once('nk:data', resolve).once('connect_error', reject));
  return socket;
}
