import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { seededRandom, type Random } from '../../src/lib/seeded-random.ts';
import type { App } from '../helpers/client/app.ts';
import { group, startWorld, type World } from '../helpers/client/world.ts';

const SEEDS = 15;
const STEPS = 60;
/** Longest time by which an answer arrives after pushes that were sent later. */
const LATE_MS = 40;

interface Member {
  readonly device: App;
  /** What the device was told, by message and `rev`. */
  readonly told: string[];
}

/** Connects a device that shows the conversations it enters. Some answers that name conversations arrive late. */
async function enter(world: World, userId: string, random: Random): Promise<Member> {
  const device = world.app(userId);
  const told: string[] = [];
  device.client.on('message:new', ({ id, rev }) => told.push(`${id} ${rev}`));
  device.client.on('message:updated', ({ id, rev }) => told.push(`${id} ${rev}`));
  const isLate = (event: string): boolean => ['sync', 'conversation:join'].includes(event) && random.chance(0.7);
  device.port.holdsAck = (event) => (isLate(event) ? pause(random.between(1, LATE_MS)) : undefined);
  await device.client.connect();
  return { device, told };
}

test.each(Array.from({ length: SEEDS }, (_, at) => at + 1))(
  'a user who is removed and added again with late answers and a broken line is told of each message once (seed %i)',
  async (seed) => {
    const random = seededRandom(seed);
    const world = await startWorld();
    const owner = await world.join('owner');
    const members = [await enter(world, 'bob', random), await enter(world, 'bob', random)];
    const conversationId = await group(owner);
    const { conversations, messages } = owner.client;
    await conversations.addParticipants(conversationId, ['bob']);
    for (const { device } of members) device.client.conversations.open(conversationId);
    let isMember = true;
    const act = async (): Promise<unknown> => {
      const { port } = random.pick(members).device;
      const dice = random.next();
      if (dice < 0.45) return messages.send({ conversationId, content: String(dice) });
      if (dice < 0.8) {
        isMember = !isMember;
        return isMember
          ? conversations.addParticipants(conversationId, ['bob'])
          : conversations.removeParticipant(conversationId, 'bob');
      }
      if (dice < 0.88) return port.cut();
      return dice < 0.94 ? port.unplug() : port.plug();
    };
    for (let step = 0; step < STEPS; step += 1) {
      await act();
      if (random.chance(0.3)) await pause(random.between(0, LATE_MS / 2));
      else if (random.chance(0.5)) await turn();
    }
    for (const { device } of members) device.port.plug();
    await Promise.all(members.map(({ device }) => device.reconnected()));
    if (!isMember) await conversations.addParticipants(conversationId, ['bob']);
    const last = await messages.send({ conversationId, content: 'last' });
    await Promise.all(members.map(({ device }) => device.next('message:new', ({ id }) => id === last.id)));
    for (const { told } of members) expect(told.filter((each, at) => told.indexOf(each) !== at)).toEqual([]);
  },
);
