import { describe, expect, test } from 'vitest';
import { deferred } from '../../../src/lib/deferred.ts';
import type { Push } from '../../../src/protocol/events.ts';
import type { Capability } from '../../../src/protocol/vocabulary.ts';
import { SocketHub } from '../../../src/server/hub.ts';
import type { Rooms, SocketLink } from '../../../src/server/socket-io.ts';
import { looseLink } from '../../helpers/server/loose-link.ts';

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

  link(id: string): SocketLink {
    return {
      ...looseLink(id, () => undefined),
      rooms: this,
      join: (rooms) => rooms.forEach((room) => this.enter(id, room)),
      leave: (room) => void this.rooms.get(room)?.delete(id),
    };
  }
}

describe('a feed socket', () => {
  test('is in all conversations of its user', async () => {
    const namespace = new Namespace();
    const hub = new SocketHub();
    await hub.enter({ link: namespace.link('s'), userId: 'ada', caps: FEED }, () => Promise.resolve(['c', 'd']));
    expect([namespace.in('conv:c'), namespace.in('conv:d')]).toEqual([['s'], ['s']]);
    hub.leaveSocket('s', 'c');
    expect(namespace.in('conv:c')).toEqual(['s']);
  });

  test('misses nothing that is gained, and keeps nothing that is lost, while its list is read', async () => {
    const namespace = new Namespace();
    const hub = new SocketHub();
    const list = deferred<readonly string[]>();
    const entered = hub.enter({ link: namespace.link('s'), userId: 'ada', caps: FEED }, () => list.promise);
    hub.joinUser('ada', 'gained');
    hub.removeUser('ada', 'lost');
    hub.removeUser('ada', 'back');
    hub.joinUser('ada', 'back');
    list.resolve(['kept', 'lost', 'back']);
    await entered;
    const rooms = ['kept', 'gained', 'lost', 'back'].filter((id) => namespace.in(`conv:${id}`).length > 0);
    expect(rooms).toEqual(['kept', 'gained', 'back']);
  });

  test('that goes while its list is read enters no room', async () => {
    const namespace = new Namespace();
    const hub = new SocketHub();
    const list = deferred<readonly string[]>();
    const entered = hub.enter({ link: namespace.link('s'), userId: 'ada', caps: FEED }, () => list.promise);
    hub.exit('s');
    list.resolve(['c']);
    await entered;
    expect(namespace.in('conv:c')).toEqual([]);
  });
});

describe('a base socket', () => {
  test('is in the rooms it asked for and counts as a receiver there', async () => {
    const namespace = new Namespace();
    const hub = new SocketHub();
    await hub.enter({ link: namespace.link('s'), userId: 'ada', caps: BASE }, () => Promise.resolve(['never asked']));
    await hub.enter({ link: namespace.link('t'), userId: 'ada', caps: BASE }, () => Promise.resolve([]));
    hub.joinUser('ada', 'c');
    expect(namespace.in('conv:c')).toEqual([]);
    hub.joinSocket('s', 'c');
    hub.joinSocket('t', 'c');
    expect(hub.baseReceivers('c')).toEqual(['ada']);
    hub.leaveSocket('s', 'c');
    expect(hub.baseReceivers('c')).toEqual(['ada']);
    hub.exit('t');
    expect(hub.baseReceivers('c')).toEqual([]);
    expect(namespace.in('conv:c')).toEqual(['t']);
  });

  test('that is removed receives no more', async () => {
    const namespace = new Namespace();
    const hub = new SocketHub();
    const removed: string[] = [];
    hub.onRemoval((userId, conversationId) => removed.push(`${userId} ${conversationId}`));
    await hub.enter({ link: namespace.link('s'), userId: 'ada', caps: BASE }, () => Promise.resolve([]));
    hub.joinSocket('s', 'c');
    hub.removeUser('ada', 'c');
    expect([namespace.in('conv:c'), hub.baseReceivers('c'), removed]).toEqual([[], [], ['ada c']]);
  });
});

test.each(['rooms', 'a bare context'])(
  'a user’s sockets are told apart by the capability mailbox: with %s',
  async (kind) => {
    const namespace = new Namespace();
    const hub = new SocketHub();
    const got: string[] = [];
    const caps = { new: new Set<Capability>(['rev', 'mailbox']), plain: FEED, base: BASE };
    for (const [id, each] of Object.entries(caps)) {
      const link = kind === 'rooms' ? namespace.link(id) : looseLink(id, () => got.push(id));
      await hub.enter({ link, userId: 'ada', caps: each }, () => Promise.resolve([]));
    }
    const told = (mailbox: boolean | undefined): string[] => {
      got.length = 0;
      namespace.emitted.length = 0;
      hub.toUser('ada', push, { mailbox });
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

test('a push to a room is one emit, whoever is left out', async () => {
  const namespace = new Namespace();
  const hub = new SocketHub();
  for (const id of ['s', 't']) {
    await hub.enter({ link: namespace.link(id), userId: 'ada', caps: FEED }, () => Promise.resolve(['c']));
  }
  hub.toConversation('c', push);
  hub.toConversation('c', push, { exceptSocketId: 's' });
  hub.toConversation('c', push, { exceptUserId: 'ada' });
  hub.toUser('ada', push);
  hub.toSocket('elsewhere', push);
  expect(namespace.emitted).toEqual(['conv:c', 'conv:c except s', 'conv:c except user:ada', 'user:ada', 'elsewhere']);
});

test('a push to many people is one emit: serializing it for each would cost more than all the rest', async () => {
  const namespace = new Namespace();
  const hub = new SocketHub();
  const got: string[] = [];
  const people = ['ada', 'bob', 'cleo'];
  await hub.enter({ link: namespace.link('s'), userId: 'ada', caps: FEED }, () => Promise.resolve([]));
  for (const userId of ['bob', 'dan']) {
    const link = looseLink(userId, () => got.push(userId));
    await hub.enter({ link, userId, caps: FEED }, () => Promise.resolve([]));
  }
  hub.toUsers(people, push);
  expect(namespace.emitted).toEqual(['user:ada and user:bob and user:cleo']);
  expect(got).toEqual(['bob']);
});
