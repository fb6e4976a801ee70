import { inPairs, type Result } from './measure.ts';
import type { ServerProcess } from './process.ts';
import { commClient, type Participant, type Room, type Side } from './sides.ts';

const USERS = 20;
const CONVERSATIONS = 5;

/** What the users do, in turns: mostly they type and send, sometimes they read, look back and reconnect. */
const ACTIONS = ['type', 'send', 'read', 'send', 'type', 'send', 'page', 'read', 'send', 'reconnect'] as const;

/**
 * Processor time of the server per action of a user, for 20 users in 5 groups of 20. The baseline is the time of the relay
 * per message that it sends to as many users.
 */
export async function mix(
  servers: Readonly<Record<'lumen' | 'baseline', ServerProcess>>,
  relay: Side,
  { actions, rounds }: { actions: number; rounds: number },
): Promise<Result> {
  const userIds = Array.from({ length: USERS }, (_, index) => `user-${index}`);
  const clients = userIds.map((userId) => commClient(servers.lumen.url, userId));
  await Promise.all(clients.map((client) => client.connect()));
  const conversationIds: string[] = [];
  for (let index = 0; index < CONVERSATIONS; index += 1) {
    const owner = clients[index];
    const made = await owner?.conversations.create({ type: 'group', name: `Mix ${index}`, participantIds: userIds });
    conversationIds.push(made?.id ?? '');
  }
  const room: Room = await relay.room(userIds);
  const members: Participant[] = await Promise.all(userIds.map((userId) => room.enter(userId)));
  /** Each conversation has a message that can be read. */
  const newest = new Map<string, string>();
  for (const conversationId of conversationIds) {
    const sent = await clients[0]?.messages.send({ conversationId, content: 'first' });
    newest.set(conversationId, sent?.id ?? '');
  }
  const perform = async (index: number): Promise<void> => {
    const client = clients[index % USERS];
    const conversationId = conversationIds[index % CONVERSATIONS] ?? '';
    const action = ACTIONS[index % ACTIONS.length];
    if (client === undefined) return;
    if (action === 'send') {
      const { id } = await client.messages.send({ conversationId, content: textOf(index) });
      newest.set(conversationId, id);
    } else if (action === 'type') client.typing.start(conversationId);
    else if (action === 'page') await client.messages.list({ conversationId, limit: 50 });
    else if (action === 'read')
      await client.messages.markRead({ conversationId, messageId: newest.get(conversationId) ?? '' });
    else {
      await client.disconnect();
      await client.connect();
    }
  };
  const pairs = await inPairs(rounds, async (side) => {
    const server = servers[side];
    const before = await server.usage();
    const count = Math.ceil(actions / rounds);
    for (let index = 0; index < count; index += 1) {
      await (side === 'lumen' ? perform(index) : members[index % USERS]?.send(textOf(index)));
    }
    return ((await server.usage()).processorMs - before.processorMs) * (1_000 / count);
  });
  for (const client of clients) await client[Symbol.asyncDispose]();
  for (const member of members) member.leave();
  return { name: `processor time per action, ${USERS} users in ${CONVERSATIONS} groups`, unit: 'µs', pairs };
}

const textOf = (index: number): string => `message ${index}`.padEnd(100, ' and more');
