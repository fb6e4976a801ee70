import { beforeEach, describe, expect, test } from 'vitest';
import { deferred } from '../../../../src/lib/deferred.ts';
import type { Push } from '../../../../src/protocol/events.ts';
import type { Capability } from '../../../../src/protocol/constants.ts';
import { SocketBroadcaster } from '../../../../src/server/sockets/broadcaster.ts';
import type { Rooms, SocketAdapter } from '../../../../src/server/sockets/lumen-context.ts';
import { fakeSocketAdapter } from '../../../helpers/server/fake-socket-adapter.ts';

const push: Push = { event: 'conversation:left', data: { conversationId: 'c', userId: 'u' } };
const FEED = new Set<Capability>(['rev']);
const BASE = new Set<Capability>();

/** A namespace that keeps who is in which room, as Socket.IO's adapter does. */
class Namespace implements Rooms {
  readonly rooms = new Map<string, Set<string>>();
  readonly emitted: string[] = [];

  emit(to: readonly string[], _: Push, except: readonly string[]): void {
    const room = to.join(' and ');
    this.emitted.push(except.length === 0 ? room : `${room} except ${except.join(' ')}`);
  }

  mayHave(room: string): boolean {
    return this.in(room).length > 0;
  }

  size(room: string): number {
    return this.in(room).length;
  }

  members(room: string): string[] {
    return this.in(room);
  }

  join(selector: string, room: string): void {
    for (const id of this.rooms.get(selector) ?? []) this.enter(id, room);
  }

  leave(selector: string, room: string): void {
    for (const id of this.rooms.get(selector) ?? []) this.rooms.get(room)?.delete(id);
  }

  enter(id: string, room: string): void {
    this.rooms.set(room, (this.rooms.get(room) ?? new Set()).add(id));
  }

  in(room: string): string[] {
    return [...(this.rooms.get(room) ?? [])];
  }

  adapter(id: string): SocketAdapter {
    return {
      ...fakeSocketAdapter(id, () => undefined),
      rooms: this,
      join: (rooms) => rooms.forEach((room) => this.enter(id, room)),
      leave: (room) => void this.rooms.get(room)?.delete(id),
      joined: () => [...this.rooms].flatMap(([room, ids]) => (ids.has(id) ? [room] : [])),
    };
  }
}

describe('a feed socket', () => {
  test('is in the rooms of all conversations of its user', async () => {
    const namespace = new Namespace();
    const broadcaster = new SocketBroadcaster();
    await broadcaster.register({ adapter: namespace.adapter('s'), userId: 'ada', caps: FEED }, () =>
      Promise.resolve(['c', 'd']),
    );
    expect([namespace.in('conv:c'), namespace.in('conv:d')]).toEqual([['s'], ['s']]);
    broadcaster.leaveSocket('s', 'c');
    expect(namespace.in('conv:c')).toEqual(['s']);
  });

  test('handles conversations gained and lost while the list is read', async () => {
    const namespace = new Namespace();
    const broadcaster = new SocketBroadcaster();
    const list = deferred<readonly string[]>();
    const entered = broadcaster.register(
      { adapter: namespace.adapter('s'), userId: 'ada', caps: FEED },
      () => list.promise,
    );
    broadcaster.joinUser('ada', 'gained');
    broadcaster.removeUser('ada', 'lost');
    broadcaster.removeUser('ada', 'back');
    broadcaster.joinUser('ada', 'back');
    list.resolve(['kept', 'lost', 'back']);
    await entered;
    const rooms = ['kept', 'gained', 'lost', 'back'].filter((id) => namespace.in(`conv:${id}`).length > 0);
    expect(rooms).toEqual(['kept', 'gained', 'back']);
  });

  test('joins no room if it disconnects while the list is read', async () => {
    const namespace = new Namespace();
    const broadcaster = new SocketBroadcaster();
    const list = deferred<readonly string[]>();
    const entered = broadcaster.register(
      { adapter: namespace.adapter('s'), userId: 'ada', caps: FEED },
      () => list.promise,
    );
    broadcaster.unregister('s');
    list.resolve(['c']);
    await entered;
    expect(namespace.in('conv:c')).toEqual([]);
  });
});

test('a socket joins thousands of rooms in several turns, and none that its user loses meanwhile', async () => {
  const namespace = new Namespace();
  const broadcaster = new SocketBroadcaster();
  const ids = Array.from({ length: 4_500 }, (_, at) => `c${at}`);
  const joined = (): number => ids.filter((id) => namespace.in(`conv:${id}`).length > 0).length;
  const entered = broadcaster.register({ adapter: namespace.adapter('s'), userId: 'ada', caps: FEED }, () =>
    Promise.resolve(ids),
  );
  await Promise.resolve();
  expect(joined()).toBe(2_000);
  broadcaster.removeUser('ada', 'c0');
  broadcaster.removeUser('ada', 'c4499');
  broadcaster.joinUser('ada', 'gained');
  await entered;
  expect(joined()).toBe(4_498);
  expect(namespace.in('conv:c0')).toEqual([]);
  expect(namespace.in('conv:c4499')).toEqual([]);
  expect(namespace.in('conv:gained')).toEqual(['s']);
});

test('a socket that disconnects while it joins thousands of rooms joins no more', async () => {
  const namespace = new Namespace();
  const broadcaster = new SocketBroadcaster();
  const ids = Array.from({ length: 2_001 }, (_, at) => `c${at}`);
  const entered = broadcaster.register({ adapter: namespace.adapter('s'), userId: 'ada', caps: FEED }, () =>
    Promise.resolve(ids),
  );
  await Promise.resolve();
  broadcaster.unregister('s');
  await entered;
  expect(namespace.in('conv:c2000')).toEqual([]);
});

describe('a base socket', () => {
  test('is in the rooms that it joined and counts as a receiver there', async () => {
    const namespace = new Namespace();
    const broadcaster = new SocketBroadcaster();
    await broadcaster.register({ adapter: namespace.adapter('s'), userId: 'ada', caps: BASE }, () =>
      Promise.resolve(['never asked']),
    );
    await broadcaster.register({ adapter: namespace.adapter('t'), userId: 'ada', caps: BASE }, () =>
      Promise.resolve([]),
    );
    broadcaster.joinUser('ada', 'c');
    expect(namespace.in('conv:c')).toEqual([]);
    broadcaster.joinSocket('s', 'c');
    broadcaster.joinSocket('t', 'c');
    expect(broadcaster.baseReceivers('c')).toEqual(['ada']);
    broadcaster.leaveSocket('s', 'c');
    expect(broadcaster.baseReceivers('c')).toEqual(['ada']);
    broadcaster.unregister('t');
    expect(broadcaster.baseReceivers('c')).toEqual([]);
    expect(namespace.in('conv:c')).toEqual(['t']);
  });

  test('receives nothing more after it was removed', async () => {
    const namespace = new Namespace();
    const broadcaster = new SocketBroadcaster();
    const removed: string[] = [];
    broadcaster.onRemoval((userId, conversationId) => removed.push(`${userId} ${conversationId}`));
    await broadcaster.register({ adapter: namespace.adapter('s'), userId: 'ada', caps: BASE }, () =>
      Promise.resolve([]),
    );
    broadcaster.joinSocket('s', 'c');
    broadcaster.removeUser('ada', 'c');
    expect([namespace.in('conv:c'), broadcaster.baseReceivers('c'), removed]).toEqual([[], [], ['ada c']]);
  });
});

test.each(['rooms', 'a bare context'])(
  'sockets with and without the capability mailbox are distinguished: with %s',
  async (kind) => {
    const namespace = new Namespace();
    const broadcaster = new SocketBroadcaster();
    const got: string[] = [];
    const caps = { new: new Set<Capability>(['rev', 'mailbox']), plain: FEED, base: BASE };
    for (const [id, each] of Object.entries(caps)) {
      const adapter = kind === 'rooms' ? namespace.adapter(id) : fakeSocketAdapter(id, () => got.push(id));
      await broadcaster.register({ adapter, userId: 'ada', caps: each }, () => Promise.resolve([]));
    }
    const told = (mailbox: boolean | undefined): string[] => {
      got.length = 0;
      namespace.emitted.length = 0;
      broadcaster.toUser('ada', push, { mailbox });
      return kind === 'rooms' ? [...namespace.emitted] : [...got];
    };
    const expected =
      kind === 'rooms'
        ? [['mailbox:ada'], ['user:ada except mailbox:ada'], ['user:ada']]
        : [['new'], ['plain', 'base'], ['new', 'plain', 'base']];
    expect([told(true), told(false), told(undefined)]).toEqual(expected);
    expect(namespace.in('mailbox:ada')).toEqual(kind === 'rooms' ? ['new'] : []);
  },
);

test('a push to a room is one emit, also with exceptions', async () => {
  const namespace = new Namespace();
  const broadcaster = new SocketBroadcaster();
  for (const id of ['s', 't']) {
    await broadcaster.register({ adapter: namespace.adapter(id), userId: 'ada', caps: FEED }, () =>
      Promise.resolve(['c']),
    );
  }
  broadcaster.toConversation('c', push);
  broadcaster.toConversation('c', push, { exceptSocketId: 's' });
  broadcaster.toConversation('c', push, { exceptUserId: 'ada' });
  broadcaster.toUser('ada', push);
  broadcaster.toSocket('elsewhere', push);
  expect(namespace.emitted).toEqual(['conv:c', 'conv:c except s', 'conv:c except user:ada', 'user:ada', 'elsewhere']);
});

test('a push to many users is one emit, so that it is serialized once', async () => {
  const namespace = new Namespace();
  const broadcaster = new SocketBroadcaster();
  const got: string[] = [];
  const people = ['ada', 'bob', 'cleo'];
  await broadcaster.register({ adapter: namespace.adapter('s'), userId: 'ada', caps: FEED }, () => Promise.resolve([]));
  for (const userId of ['bob', 'dan']) {
    const adapter = fakeSocketAdapter(userId, () => got.push(userId));
    await broadcaster.register({ adapter, userId, caps: FEED }, () => Promise.resolve([]));
  }
  broadcaster.toUsers(people, push);
  expect(namespace.emitted).toEqual(['user:ada and user:bob and user:cleo']);
  expect(got).toEqual(['bob']);
});

describe('pushes to conversations in one task', () => {
  const BATCH = new Set<Capability>(['rev', 'batch']);
  /** The texts of the pushes of each emit, by room. */
  let emitted: string[] = [];
  let broadcaster: SocketBroadcaster;
  /** Sockets in each room, besides those of this test. */
  let others = 0;
  let paused: Promise<void> | undefined;
  const typing = (text: string): Push => ({
    event: 'typing:update',
    data: { conversationId: 'c', userId: text, isTyping: true },
  });
  const textOf = (pushed: unknown): string => (pushed as { data: { userId: string } }).data.userId;

  beforeEach(async () => {
    emitted = [];
    [others, paused] = [0, undefined];
    broadcaster = new SocketBroadcaster(() => paused);
    const namespace = new Namespace();
    namespace.size = (room) => others + namespace.in(room).length;
    namespace.emit = (to, pushed, except) => {
      const texts = pushed.event === 'batch' ? pushed.data.pushes.map(textOf).join('+') : textOf(pushed);
      for (const room of to) {
        for (const id of namespace.in(room)) if (!except.includes(id)) emitted.push(`${id}: ${texts}`);
      }
    };
    for (const [id, caps] of Object.entries({ new: BATCH, old: FEED, base: BASE })) {
      await broadcaster.register({ adapter: namespace.adapter(id), userId: id, caps }, () =>
        Promise.resolve(['c', 'd']),
      );
    }
    broadcaster.joinSocket('base', 'c');
    const bare = fakeSocketAdapter('bare', () => undefined);
    const broadcastAll = (room: string, pushed: Push): void => void emitted.push(`${room}: ${textOf(pushed)}`);
    await broadcaster.register({ adapter: { ...bare, broadcastAll }, userId: 'bare', caps: BATCH }, () =>
      Promise.resolve(['c']),
    );
  });

  const sorted = (): string[] => emitted.toSorted();

  test('are one frame for clients with the capability batch, and single frames in order for others', async () => {
    broadcaster.toConversation('c', typing('1'));
    broadcaster.toConversation('c', typing('2'));
    expect(sorted()).toEqual(['base: 1', 'base: 2', 'conv:c: 1', 'conv:c: 2', 'old: 1', 'old: 2']);
    await Promise.resolve();
    expect(sorted()).toEqual(['base: 1', 'base: 2', 'conv:c: 1', 'conv:c: 2', 'new: 1+2', 'old: 1', 'old: 2']);
    expect(emitted.indexOf('old: 1')).toBeLessThan(emitted.indexOf('old: 2'));
  });

  test('can be for the clients with or without the capability only', async () => {
    broadcaster.toConversation('c', typing('1'), { batch: true });
    broadcaster.toConversation('c', typing('2'), { batch: false });
    await Promise.resolve();
    expect(sorted()).toEqual(['base: 2', 'conv:c: 2', 'new: 1', 'old: 2']);
  });

  test('share a frame although pushes to other conversations are between them', async () => {
    broadcaster.toConversation('c', typing('1'));
    broadcaster.toConversation('d', typing('other'));
    broadcaster.toConversation('c', typing('2'));
    await Promise.resolve();
    expect(emitted.filter((each) => each.startsWith('new'))).toEqual(['new: 1+2', 'new: other']);
  });

  test('are emitted before more than 1,000 packets wait', async () => {
    const groups = ['c', 'd', 'e', 'f', 'g'];
    for (const id of groups.slice(2)) broadcaster.joinUser('new', id);
    // With the socket of this test, a room has 250.
    others = 249;
    for (const id of groups.slice(0, 4)) broadcaster.toConversation(id, typing(id));
    broadcaster.toConversation('c', typing('again'));
    const frames = (): string[] => emitted.filter((each) => each.startsWith('new'));
    expect(frames()).toEqual([]);
    broadcaster.toConversation('g', typing('g'));
    expect(frames()).toEqual(['new: c+again', 'new: d', 'new: e', 'new: f']);
    await Promise.resolve();
    expect(frames().at(-1)).toBe('new: g');
  });

  test('to a group with more sockets share a frame too', async () => {
    others = 5_000;
    broadcaster.toConversation('c', typing('1'));
    broadcaster.toConversation('c', typing('2'));
    await Promise.resolve();
    expect(emitted.filter((each) => each.startsWith('new'))).toEqual(['new: 1+2']);
  });

  test('wait for the next turn if this one has no room for their packets, and are not overtaken', async () => {
    const frames = (): string[] => emitted.filter((each) => each.startsWith('new'));
    const turn = deferred<null>();
    paused = turn.promise.then(() => undefined);
    broadcaster.toConversation('c', typing('1'));
    await Promise.resolve();
    expect(frames()).toEqual([]);
    broadcaster.toConversation('c', typing('2'));
    paused = undefined;
    turn.resolve(null);
    await new Promise((resolve) => setImmediate(resolve));
    expect(frames()).toEqual(['new: 1+2']);

    paused = new Promise(() => undefined);
    broadcaster.toConversation('c', typing('3'));
    broadcaster.toUser('new', typing('4'));
    expect(frames().slice(1)).toEqual(['new: 3', 'new: 4']);
  });

  test('keep their order where one excludes a socket', async () => {
    broadcaster.toConversation('c', typing('1'));
    broadcaster.toConversation('c', typing('2'), { exceptSocketId: 'new' });
    broadcaster.toConversation('c', typing('3'));
    await Promise.resolve();
    expect(emitted.filter((each) => /new|old/.test(each))).toEqual(['old: 1', 'old: 2', 'old: 3', 'new: 1', 'new: 3']);
  });

  test.each<[what: string, act: () => void]>([
    ['a push to a user', () => broadcaster.toUser('new', typing('2'))],
    ['a push to a socket', () => broadcaster.toSocket('elsewhere', typing('2'))],
    ['a removal', () => broadcaster.removeUser('new', 'c')],
    ['a user who joins', () => broadcaster.joinUser('new', 'e')],
    ['a socket that leaves', () => broadcaster.leaveSocket('base', 'c')],
  ])('%s does not overtake them', (_what, act) => {
    broadcaster.toConversation('c', typing('1'));
    act();
    expect(emitted.find((each) => each.startsWith('new'))).toBe('new: 1');
  });

  test('a frame has at most 256 KiB of JSON', async () => {
    for (const char of ['\u0001', '€']) {
      emitted = [];
      for (let index = 0; index < 3; index += 1)
        broadcaster.toConversation('c', typing(char.repeat(char === '€' ? 50_000 : 30_000)));
      await Promise.resolve();
      const sizes = emitted.filter((each) => each.startsWith('new')).map((each) => each.split('+').length);
      expect(sizes).toEqual([1, 1, 1]);
    }
  });

  test('a frame has at most 128 pushes and 256 KiB', async () => {
    for (let index = 0; index < 130; index += 1) broadcaster.toConversation('c', typing('x'));
    await Promise.resolve();
    const sizes = emitted.filter((each) => each.startsWith('new')).map((each) => each.split('+').length);
    expect(sizes).toEqual([128, 2]);
    emitted = [];
    for (let index = 0; index < 3; index += 1) broadcaster.toConversation('c', typing('y'.repeat(100_000)));
    await Promise.resolve();
    expect(emitted.filter((each) => each.startsWith('new')).map((each) => each.split('+').length)).toEqual([2, 1]);
  });

  test('a removed member receives nothing more', async () => {
    broadcaster.removeUser('new', 'c');
    broadcaster.toConversation('c', typing('1'));
    broadcaster.toConversation('c', typing('2'));
    await Promise.resolve();
    expect(emitted.filter((each) => each.startsWith('new'))).toEqual([]);
  });
});

describe.each(['in a namespace', 'without one'])('a feed socket %s that is restored', (kind) => {
  let broadcaster: SocketBroadcaster;
  let namespace: Namespace;
  const joined = new Set<string>();
  const adapter = (): SocketAdapter => {
    if (kind === 'in a namespace') return namespace.adapter('s');
    const join = (rooms: readonly string[]): void => rooms.forEach((room) => joined.add(room));
    return { ...fakeSocketAdapter('s', () => undefined), join, leave: (room) => void joined.delete(room) };
  };
  const conversations = (): string[] => {
    const rooms = kind === 'in a namespace' ? namespace.adapter('s').joined() : [...joined];
    return rooms.filter((room) => room.startsWith('conv:')).toSorted();
  };

  beforeEach(async () => {
    broadcaster = new SocketBroadcaster();
    namespace = new Namespace();
    joined.clear();
    await broadcaster.register({ adapter: adapter(), userId: 'u', caps: FEED }, () => Promise.resolve(['a', 'b']));
  });

  test('is in the rooms of all conversations, and of no other', async () => {
    await broadcaster.restore('s', () => Promise.resolve(['b', 'c']));
    expect(conversations()).toEqual(['conv:b', 'conv:c']);
    expect([...namespace.adapter('s').joined(), ...joined]).toContain('user:u');
  });

  test('keeps what the user gains, and leaves what the user loses, while the list is read', async () => {
    const read = deferred<string[]>();
    const restored = broadcaster.restore('s', () => read.promise);
    broadcaster.joinUser('u', 'gained');
    broadcaster.joinUser('u', 'both');
    broadcaster.removeUser('u', 'both');
    broadcaster.removeUser('u', 'b');
    read.resolve(['a', 'b']);
    await restored;
    expect(conversations()).toEqual(['conv:a', 'conv:gained']);
  });

  test('of a connection that has ended is ignored', async () => {
    const read = deferred<string[]>();
    const restored = broadcaster.restore('s', () => read.promise);
    broadcaster.unregister('s');
    read.resolve(['c']);
    await restored;
    await broadcaster.restore('s', () => Promise.reject(new Error('not read')));
    expect(conversations()).not.toContain('conv:c');
  });
});
