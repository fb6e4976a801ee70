import { beforeEach, expect, test } from 'vitest';
import type { Capability } from '../../../../src/protocol/constants.ts';
import type { Push } from '../../../../src/protocol/events.ts';
import { MemoryBusHub, type MemoryBus } from '../../../../src/server/cluster/memory-bus.ts';
import type { ProcessListener } from '../../../../src/server/services/ports.ts';
import { SocketBroadcaster } from '../../../../src/server/sockets/broadcaster.ts';
import { ClusterBroadcaster } from '../../../../src/server/sockets/cluster-broadcaster.ts';
import { silentLogger } from '../../../../src/lib/logger.ts';
import { manualClock } from '../../../helpers/manual-clock.ts';
import { fakeSocketAdapter } from '../../../helpers/server/fake-socket-adapter.ts';

const push: Push = { event: 'conversation:left', data: { conversationId: 'c', userId: 'u' } };
const FEED = new Set<Capability>(['rev']);
const BASE = new Set<Capability>();

let members: Set<string>;
let pushed: string[];
let dropped: string[];
let bus: MemoryBus;
let other: MemoryBus;
let broadcaster: ClusterBroadcaster;

const listener: ProcessListener = {
  told: () => undefined,
  callRang: () => undefined,
  runningCallChanged: () => undefined,
  watchedLeft: () => undefined,
  presenceChanged: () => undefined,
  changesSince: () => Promise.resolve([]),
  formerMembers: (_, userIds) => Promise.resolve(userIds.filter((each) => !members.has(each))),
  deliveredToBase: () => undefined,
};

beforeEach(() => {
  members = new Set(['ana']);
  pushed = [];
  dropped = [];
  const hub = new MemoryBusHub();
  [bus, other] = [hub.connect(), hub.connect()];
  broadcaster = new ClusterBroadcaster(new SocketBroadcaster(), bus, {
    newId: () => 'id',
    clock: manualClock(),
    logger: silentLogger,
  });
  broadcaster.onProcesses(listener);
});

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

async function connect(userId: string, caps: ReadonlySet<Capability> = FEED): Promise<void> {
  const adapter = {
    ...fakeSocketAdapter(userId, ({ event }) => void pushed.push(`${userId} ${event}`)),
    broadcastAll: (_room: string, { event }: Push) => void pushed.push(`${userId} ${event}`),
    drop: () => void dropped.push(userId),
  };
  await broadcaster.register({ adapter, userId, caps }, () => Promise.resolve(members.has(userId) ? ['c'] : []));
}

/** Publishes as another process does. */
async function tell(channel: string, message: object): Promise<void> {
  other.publish(channel, JSON.stringify([message]));
  await turn();
  await turn();
}

test('a user whose removal arrives before the addition does not stay in the room', async () => {
  await connect('ben');
  await tell('u:ben', { to: 'remove', conversationId: 'c' });
  await tell('u:ben', { to: 'join', conversationId: 'c' });
  broadcaster.toConversation('c', push);
  expect(pushed).toEqual([]);
  expect(dropped).toEqual(['ben']);
});

test('a user whose addition arrives before the removal stays in the room', async () => {
  await connect('ana');
  await tell('u:ana', { to: 'join', conversationId: 'c' });
  await tell('u:ana', { to: 'remove', conversationId: 'c' });
  broadcaster.toConversation('c', push);
  expect(pushed).toEqual(['ana conversation:left']);
  expect(dropped).toEqual(['ana']);
});

test('a running call is not told to a former member while other processes can not be reached', async () => {
  await connect('ana');
  broadcaster.toConversationHere('c', push);
  expect(pushed.splice(0)).toEqual(['ana conversation:left']);
  await bus.close();
  members.delete('ana');
  broadcaster.toConversationHere('c', push);
  await turn();
  expect(pushed).toEqual([]);
});

test('a push that can not be delivered does not keep others from being delivered', async () => {
  await connect('ana', BASE);
  broadcaster.joinSocket('ana', 'c');
  await tell('c:c', { to: 'conversation', push: { event: 'message:new' }, options: {} });
  await tell('c:c', { to: 'conversation', push: { event: 'message:new', data: null }, options: {} });
  const uncaptioned = { content: '', attachment: null };
  other.publish(
    'c:c',
    JSON.stringify([
      { to: 'conversation', push: { event: 'message:new', data: uncaptioned }, options: {} },
      { to: 'conversation', push, options: {} },
    ]),
  );
  await turn();
  expect(pushed).toEqual(['ana conversation:left']);
});
