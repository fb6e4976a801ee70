import { DatabaseSync } from 'node:sqlite';
import { beforeEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../../src/lib/logger.ts';
import type { PresenceUpdate } from '../../../src/protocol/presence.ts';
import type { PresenceStatus } from '../../../src/protocol/vocabulary.ts';
import { SocketHub } from '../../../src/server/hub.ts';
import { derivePresence, PresenceService } from '../../../src/server/services/presence.ts';
import { createChatServices } from '../../../src/server/services/chat-services.ts';
import type { Caller } from '../../../src/server/services/ports.ts';
import { resolveConfig } from '../../../src/server/config.ts';
import { CommunicationStore } from '../../../src/server/store/ephemera/memory.ts';
import { createStore, type Store } from '../../../src/server/store/store.ts';
import { caller } from '../../helpers/server/chat.ts';
import { manualClock, type ManualClock } from '../../helpers/manual-clock.ts';
import { looseLink } from '../../helpers/server/loose-link.ts';

const GRACE_MS = 5_000;

test.each<[devices: PresenceStatus[], chosen: PresenceStatus | undefined, seen: PresenceStatus]>([
  [[], undefined, 'offline'],
  [[], 'busy', 'offline'],
  [['online'], undefined, 'online'],
  [['away'], undefined, 'away'],
  [['away', 'online', 'away'], undefined, 'online'],
  [['away', 'busy'], undefined, 'busy'],
  [['online'], 'away', 'away'],
  [['away', 'online'], 'busy', 'busy'],
  [['online', 'online'], 'offline', 'offline'],
])('devices at %j with the choice %s are seen as %s', (devices, chosen, seen) => {
  expect(derivePresence(devices, chosen)).toBe(seen);
});

/** People with devices named `<user>/<device>`, on a real database, and what each device is told. */
class Office {
  readonly clock: ManualClock = manualClock();
  readonly told: string[] = [];
  readonly store: Store;
  readonly hub = new SocketHub();
  readonly ephemera: CommunicationStore;
  readonly presence: PresenceService;
  readonly chat: ReturnType<typeof createChatServices>;

  constructor(database: DatabaseSync) {
    const { clock, hub } = this;
    this.store = createStore(database, silentLogger);
    this.ephemera = new CommunicationStore(clock);
    const config = resolveConfig({ presenceGraceMs: GRACE_MS });
    const shared = { store: this.store, hub, clock, config, logger: silentLogger };
    this.presence = new PresenceService({ ...shared, ephemera: this.ephemera });
    this.chat = createChatServices({ ...shared, presence: this.ephemera });
    hub.onRemoval((userId) => this.presence.lost(userId));
  }

  async connect(device: string, base = false): Promise<Caller> {
    const [userId = ''] = device.split('/');
    const who: Caller = base ? { userId, socketId: device, caps: new Set() } : caller(userId, device);
    const link = looseLink(device, ({ event, data }) => {
      if (event === 'presence:changed') this.told.push(`${device}: ${data.userId} ${data.status}`);
    });
    await this.hub.enter({ link, userId, caps: who.caps }, () => Promise.resolve([]));
    this.presence.arrived(who);
    await this.presence.connected(who);
    return who;
  }

  disconnect(who: Caller): void {
    this.hub.exit(who.socketId ?? '');
    this.presence.disconnected(who);
  }

  async group(owner: string, ...others: string[]): Promise<string> {
    const { conversation } = await this.chat.conversations.create(caller(owner), {
      type: 'group',
      participantIds: others,
    });
    return conversation.id;
  }

  async seen(by: string, of: string): Promise<PresenceUpdate | undefined> {
    return (await this.presence.watch(caller(by), { userIds: [of] }))[0];
  }

  take(): string[] {
    return this.told.splice(0);
  }
}

let database: DatabaseSync;
let office: Office;

beforeEach(async () => {
  database = new DatabaseSync(':memory:');
  office = new Office(database);
  await office.store.ready;
  await office.group('alice', 'bob');
});

describe('several devices', () => {
  test('a person is as present as their most present device', async () => {
    const phone = await office.connect('bob/phone');
    const laptop = await office.connect('bob/laptop');
    await office.presence.update(phone, { status: 'away', chosen: false });
    expect((await office.seen('alice', 'bob'))?.status).toBe('online');
    await office.presence.update(laptop, { status: 'away', chosen: false });
    expect((await office.seen('alice', 'bob'))?.status).toBe('away');
    await office.presence.update(phone, { status: 'online', chosen: false });
    expect((await office.seen('alice', 'bob'))?.status).toBe('online');
  });

  test('a person is offline only after the last device has been gone for a while', async () => {
    const phone = await office.connect('bob/phone');
    const laptop = await office.connect('bob/laptop');
    office.disconnect(phone);
    office.clock.advance(GRACE_MS);
    expect((await office.seen('alice', 'bob'))?.status).toBe('online');
    office.disconnect(laptop);
    office.clock.advance(GRACE_MS - 1);
    expect((await office.seen('alice', 'bob'))?.status).toBe('online');
    office.clock.advance(1);
    expect((await office.seen('alice', 'bob'))?.status).toBe('offline');
  });

  test('somebody who is back in time was never away', async () => {
    const watcher = await office.connect('alice/phone');
    const phone = await office.connect('bob/phone');
    await office.presence.watch(watcher, { userIds: ['bob'] });
    office.take();
    office.disconnect(phone);
    office.clock.advance(GRACE_MS - 1);
    await office.connect('bob/phone2');
    office.clock.advance(GRACE_MS);
    expect(office.take()).toEqual([]);
  });

  test('when the device that was there goes, the one that idles is what is left', async () => {
    const phone = await office.connect('bob/phone');
    const laptop = await office.connect('bob/laptop');
    await office.presence.update(laptop, { status: 'away', chosen: false });
    office.disconnect(phone);
    expect((await office.seen('alice', 'bob'))?.status).toBe('away');
  });
});

describe('a chosen status', () => {
  test('holds on every device, also on one that comes later, until another is chosen', async () => {
    const phone = await office.connect('bob/phone');
    await office.presence.update(phone, { status: 'busy' });
    const laptop = await office.connect('bob/laptop');
    await office.presence.update(laptop, { status: 'online', chosen: false });
    expect((await office.seen('alice', 'bob'))?.status).toBe('busy');
    await office.presence.update(laptop, { status: 'online' });
    expect((await office.seen('alice', 'bob'))?.status).toBe('online');
  });

  test('survives the server', async () => {
    const phone = await office.connect('bob/phone');
    await office.presence.update(phone, { status: 'away' });
    const restarted = new Office(database);
    await restarted.connect('bob/phone');
    expect((await restarted.seen('alice', 'bob'))?.status).toBe('away');
  });

  test('to appear offline is told as offline, and coming back under it is not told at all', async () => {
    const watcher = await office.connect('alice/phone');
    const phone = await office.connect('bob/phone');
    await office.presence.watch(watcher, { userIds: ['bob'] });
    office.take();
    expect(await office.presence.update(phone, { status: 'offline' })).toMatchObject({ status: 'offline' });
    expect(office.take()).toEqual(['alice/phone: bob offline', 'bob/phone: bob offline']);
    const hiddenSince = (await office.seen('alice', 'bob'))?.lastSeen;
    office.clock.advance(60_000);
    office.disconnect(phone);
    office.clock.advance(GRACE_MS);
    await office.store.drain();
    const again = await office.connect('bob/phone');
    await Promise.all([office.connect('bob/laptop'), office.connect('bob/tablet')]);
    office.disconnect(again);
    expect(office.take()).toEqual([]);
    expect((await office.seen('alice', 'bob'))?.lastSeen).toBe(hiddenSince);
  });
});

test('nothing is told of somebody before it is known whether they appear offline', async () => {
  const phone = await office.connect('bob/phone');
  await office.presence.update(phone, { status: 'offline' });
  const restarted = new Office(database);
  const watcher = await restarted.connect('alice/phone');
  await restarted.presence.watch(watcher, { userIds: ['bob'] });
  restarted.take();
  const [one, other] = [caller('bob', 'bob/one'), caller('bob', 'bob/other')];
  restarted.presence.arrived(one);
  restarted.presence.arrived(other);
  restarted.presence.disconnected(one);
  await restarted.presence.connected(other);
  expect(restarted.take()).toEqual([]);
});

describe('watching', () => {
  test('tells at once how people are, and every change after that until it ends', async () => {
    const watcher = await office.connect('alice/phone');
    expect(await office.presence.watch(watcher, { userIds: ['bob'] })).toEqual([{ userId: 'bob', status: 'offline' }]);
    office.take();
    const phone = await office.connect('bob/phone');
    expect(office.take()).toEqual(['alice/phone: bob online', 'bob/phone: bob online']);
    office.presence.unwatch(watcher, { userIds: ['bob'] });
    await office.presence.update(phone, { status: 'busy' });
    expect(office.take()).toEqual(['bob/phone: bob busy']);
  });

  test('says when somebody who has gone was last seen, also after a restart', async () => {
    const phone = await office.connect('bob/phone');
    office.clock.advance(1_000);
    const leftAt = new Date(office.clock.now()).toISOString();
    office.disconnect(phone);
    office.clock.advance(GRACE_MS);
    await office.store.drain();
    const expected = { userId: 'bob', status: 'offline', lastSeen: leftAt };
    expect(await office.seen('alice', 'bob')).toEqual(expected);
    expect(await new Office(database).seen('alice', 'bob')).toEqual(expected);
  });

  test('is only of people one shares a conversation with', async () => {
    await office.connect('carol/phone');
    const watcher = await office.connect('alice/phone');
    expect(await office.presence.watch(watcher, { userIds: ['carol', 'nobody', 'bob', 'bob'] })).toMatchObject([
      { userId: 'bob' },
    ]);
  });

  test('ends with the last conversation in common, both ways', async () => {
    const id = await office.group('dave', 'erin');
    const dave = await office.connect('dave/phone');
    const erin = await office.connect('erin/phone');
    await office.presence.watch(dave, { userIds: ['erin'] });
    await office.presence.watch(erin, { userIds: ['dave'] });
    await office.chat.membership.remove(dave, { conversationId: id, userId: 'erin' });
    await office.store.read(function* () {
      // The look-ups that the removal has caused come before this one.
    });
    office.take();
    await office.presence.update(dave, { status: 'busy' });
    await office.presence.update(erin, { status: 'busy' });
    expect(office.take()).toEqual(['dave/phone: dave busy', 'erin/phone: erin busy']);
  });
});

test('a base client hears of the people in the rooms it has joined, once', async () => {
  const conversationId = await office.group('alice', 'bob', 'carol');
  const old = await office.connect('alice/old', true);
  await office.chat.conversations.join(old, { conversationId });
  office.take();
  await office.connect('bob/phone');
  await office.connect('dave/phone');
  expect(office.take().filter((each) => each.startsWith('alice/'))).toEqual(['alice/old: bob online']);
});

test('presence of the people in a conversation is what others see of them', async () => {
  const phone = await office.connect('bob/phone');
  await office.presence.update(phone, { status: 'offline' });
  expect(office.ephemera.presenceOf(['alice', 'bob'])).toEqual(new Map([['bob', 'offline']]));
});

test('closing leaves no timer behind', async () => {
  office.disconnect(await office.connect('bob/phone'));
  expect(office.clock.pending).toBe(1);
  office.presence.close();
  expect(office.clock.pending).toBe(0);
});
