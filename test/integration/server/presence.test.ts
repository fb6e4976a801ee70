import { DatabaseSync } from 'node:sqlite';
import { beforeEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../../src/lib/logger.ts';
import type { PresenceUpdate } from '../../../src/protocol/presence.ts';
import type { PresenceStatus } from '../../../src/protocol/constants.ts';
import { SocketBroadcaster } from '../../../src/server/sockets/broadcaster.ts';
import { PresenceService } from '../../../src/server/services/presence/presence-service.ts';
import type { ServerHooks } from '../../../src/server/hooks.ts';
import { ContactPolicy } from '../../../src/server/services/people/contact-policy.ts';
import { UserBudgets } from '../../../src/server/services/limits/user-budgets.ts';
import { resolveLimits } from '../../../src/server/services/limits/server-limits.ts';
import { createChatServices } from '../../../src/server/services/chat/chat-services.ts';
import type { Caller } from '../../../src/server/services/ports.ts';
import { resolveConfig } from '../../../src/server/config.ts';
import { derivePresence } from '../../../src/server/cluster/ephemera.ts';
import { LocalEphemera } from '../../../src/server/cluster/local-ephemera.ts';
import { CommunicationStore } from '../../../src/server/cluster/memory-ephemera.ts';
import { addMembers } from '../../../src/server/store/queries/members.ts';
import { createStore, type Store } from '../../../src/server/store/store.ts';
import { caller } from '../../helpers/server/chat.ts';
import { manualClock, type ManualClock } from '../../helpers/manual-clock.ts';
import { watchStatements } from '../../helpers/server/watch-statements.ts';
import { fakeSocketAdapter } from '../../helpers/server/fake-socket-adapter.ts';

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
])('devices %j with the chosen status %s result in %s', (devices, chosen, seen) => {
  expect(derivePresence(devices, chosen)).toBe(seen);
});

/** People with devices named `<user>/<device>`, on a real database, and what each device is told. */
class Office {
  readonly clock: ManualClock = manualClock();
  readonly told: string[] = [];
  readonly hooks: ServerHooks = {};
  readonly store: Store;
  readonly broadcaster = new SocketBroadcaster();
  readonly ephemera: CommunicationStore;
  readonly presence: PresenceService;
  readonly chat: ReturnType<typeof createChatServices>;

  constructor(database: DatabaseSync) {
    const { clock, broadcaster } = this;
    this.store = createStore(database, silentLogger);
    this.ephemera = new CommunicationStore(clock);
    const config = resolveConfig({ presenceGraceMs: GRACE_MS });
    const limits = resolveLimits(undefined);
    const budgets = new UserBudgets(limits, clock);
    const contacts = new ContactPolicy(this.hooks, clock, silentLogger);
    const shared = {
      store: this.store,
      broadcaster,
      clock,
      config,
      limits,
      budgets,
      contacts,
      logger: silentLogger,
      hooks: this.hooks,
    };
    this.presence = new PresenceService({
      ...shared,
      ephemera: this.ephemera,
      shared: new LocalEphemera(this.ephemera),
    });
    this.chat = createChatServices({
      ...shared,
      presence: this.ephemera,
      profiles: { resolve: () => Promise.resolve(false) },
      runningCalls: this.ephemera,
      storesFiles: () => false,
    });
    broadcaster.onRemoval((userId) => this.presence.memberRemoved(userId));
  }

  async connect(device: string, base = false): Promise<Caller> {
    const [userId = ''] = device.split('/');
    const who: Caller = base ? { userId, socketId: device, caps: new Set() } : caller(userId, device);
    const adapter = fakeSocketAdapter(device, ({ event, data }) => {
      if (event === 'presence:changed') this.told.push(`${device}: ${data.userId} ${data.status}`);
    });
    await this.broadcaster.register({ adapter, userId, caps: who.caps }, () => Promise.resolve([]));
    this.presence.register(who);
    await this.presence.connected(who);
    return who;
  }

  disconnect(who: Caller): void {
    this.broadcaster.unregister(who.socketId ?? '');
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
  test('a user has the status of the most available device', async () => {
    const phone = await office.connect('bob/phone');
    const laptop = await office.connect('bob/laptop');
    await office.presence.update(phone, { status: 'away', chosen: false });
    expect((await office.seen('alice', 'bob'))?.status).toBe('online');
    await office.presence.update(laptop, { status: 'away', chosen: false });
    expect((await office.seen('alice', 'bob'))?.status).toBe('away');
    await office.presence.update(phone, { status: 'online', chosen: false });
    expect((await office.seen('alice', 'bob'))?.status).toBe('online');
  });

  test('a user is offline after the last device has been gone for the grace period', async () => {
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

  test('a user who reconnects within the grace period stays online', async () => {
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

  test('when the active device disconnects, the status of the idle one applies', async () => {
    const phone = await office.connect('bob/phone');
    const laptop = await office.connect('bob/laptop');
    await office.presence.update(laptop, { status: 'away', chosen: false });
    office.disconnect(phone);
    expect((await office.seen('alice', 'bob'))?.status).toBe('away');
  });
});

describe('a chosen status', () => {
  test('applies to all devices, also later ones, until another is chosen', async () => {
    const phone = await office.connect('bob/phone');
    await office.presence.update(phone, { status: 'busy' });
    const laptop = await office.connect('bob/laptop');
    await office.presence.update(laptop, { status: 'online', chosen: false });
    expect((await office.seen('alice', 'bob'))?.status).toBe('busy');
    await office.presence.update(laptop, { status: 'online' });
    expect((await office.seen('alice', 'bob'))?.status).toBe('online');
  });

  test('survives a restart of the server', async () => {
    const phone = await office.connect('bob/phone');
    await office.presence.update(phone, { status: 'away' });
    const restarted = new Office(database);
    await restarted.connect('bob/phone');
    expect((await restarted.seen('alice', 'bob'))?.status).toBe('away');
  });

  test('appearing offline is pushed as offline, and reconnecting is not pushed', async () => {
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

test("presence isn't pushed before the chosen status is loaded", async () => {
  const phone = await office.connect('bob/phone');
  await office.presence.update(phone, { status: 'offline' });
  const restarted = new Office(database);
  const watcher = await restarted.connect('alice/phone');
  await restarted.presence.watch(watcher, { userIds: ['bob'] });
  restarted.take();
  const [one, other] = [caller('bob', 'bob/one'), caller('bob', 'bob/other')];
  restarted.presence.register(one);
  restarted.presence.register(other);
  restarted.presence.disconnected(one);
  await restarted.presence.connected(other);
  expect(restarted.take()).toEqual([]);
});

describe('watching', () => {
  test('watch returns the current presence and pushes every change until it ends', async () => {
    const watcher = await office.connect('alice/phone');
    expect(await office.presence.watch(watcher, { userIds: ['bob'] })).toEqual([{ userId: 'bob', status: 'offline' }]);
    office.take();
    const phone = await office.connect('bob/phone');
    expect(office.take()).toEqual(['alice/phone: bob online', 'bob/phone: bob online']);
    office.presence.unwatch(watcher, { userIds: ['bob'] });
    await office.presence.update(phone, { status: 'busy' });
    expect(office.take()).toEqual(['bob/phone: bob busy']);
  });

  test('watch returns when an offline user was last seen, also after a restart', async () => {
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

  test('only users who share a conversation can be watched', async () => {
    await office.connect('carol/phone');
    const watcher = await office.connect('alice/phone');
    expect(await office.presence.watch(watcher, { userIds: ['carol', 'unknown', 'bob', 'bob'] })).toMatchObject([
      { userId: 'bob' },
    ]);
  });

  test('a watch ends in both directions with the last shared conversation', async () => {
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

test('a base client receives the presence of users in its rooms once', async () => {
  const conversationId = await office.group('alice', 'bob', 'carol');
  const old = await office.connect('alice/old', true);
  await office.chat.conversations.join(old, { conversationId });
  office.take();
  await office.connect('bob/phone');
  await office.connect('dave/phone');
  expect(office.take().filter((each) => each.startsWith('alice/'))).toEqual(['alice/old: bob online']);
});

test('participants carry the presence that others see', async () => {
  const phone = await office.connect('bob/phone');
  await office.presence.update(phone, { status: 'offline' });
  expect(office.ephemera.presenceOf(['alice', 'bob'])).toEqual(new Map([['bob', 'offline']]));
});

test('close stops all timers', async () => {
  office.disconnect(await office.connect('bob/phone'));
  expect(office.clock.pending).toBe(1);
  office.presence.close();
  expect(office.clock.pending).toBe(0);
});

describe('the cost of watching', () => {
  /** Adds bob and the given user to many groups of which the other is no member, by SQL as one statement. */
  function fill(userId: string, groups: number): void {
    database
      .prepare(
        `insert into conversation_participants (conversation_id, user_id, role, joined_at, joined_inbox_rev)
         select ? || '-group-' || value, ?, 'member', '2026-01-01T00:00:00.000Z', 1
         from (with recursive n(value) as (select 1 union all select value + 1 from n where value < ?) select value from n)`,
      )
      .run(userId, userId, groups);
  }

  beforeEach(() => database.exec('PRAGMA foreign_keys = OFF'));

  test.each([
    ['the caller', 3_000, 10],
    ['the other user', 10, 3_000],
  ])('users are found whatever %s has joined besides', async (_, ofCaller, ofOther) => {
    fill('alice', ofCaller);
    fill('bob', ofOther);
    fill('stranger', ofOther);
    const watcher = await office.connect('alice/phone');
    const found = await office.presence.watch(watcher, { userIds: ['stranger', 'bob', 'alice', 'unknown'] });
    expect(found.map(({ userId }) => userId)).toEqual(['bob', 'alice']);
  });

  test('an id that is named many times is looked up once', async () => {
    const ids: string[] = [];
    watchStatements(database, (_, parameters) =>
      ids.push(...parameters.map(String).filter((each) => each.includes('bob'))),
    );
    await office.presence.watch(caller('alice'), { userIds: Array.from({ length: 1_000 }, () => 'bob') });
    expect(new Set(ids)).toEqual(new Set(['["bob"]']));
  });

  test('other work runs between the lookups of a caller with many conversations', async () => {
    fill('alice', 15_000);
    const userIds = Array.from({ length: 10 }, (_, index) => `user-${index}`);
    let turns = 0;
    let done = false;
    const count = (): void => {
      turns += 1;
      if (!done) setImmediate(count);
    };
    setImmediate(count);
    await office.presence.watch(caller('alice'), { userIds });
    done = true;
    expect(turns).toBeGreaterThan(8);
  });

  test('a connection watches a limited number of users', async () => {
    const everyone = Array.from({ length: 20_001 }, (_, index) => `friend-${index}`);
    database.exec(
      `insert into conversations (id, type, created_at, updated_at) values ('crowd', 'group', '2026', '2026')`,
    );
    await office.store.write(() => addMembers('crowd', ['alice', ...everyone], { now: '2026-01-01T00:00:00.000Z' }));
    const watcher = await office.connect('alice/phone');
    for (let at = 0; at < 20_000; at += 1_000) {
      await office.presence.watch(watcher, { userIds: everyone.slice(at, at + 1_000) });
    }
    // Once more is allowed, another one isn't.
    await office.presence.watch(watcher, { userIds: everyone.slice(0, 1_000) });
    await expect(office.presence.watch(watcher, { userIds: everyone.slice(20_000) })).rejects.toMatchObject({
      code: 'INVALID',
      message: 'A connection can watch at most 20000 users',
    });
  });
});
