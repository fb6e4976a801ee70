import { expect, test } from 'vitest';
import { CursorStore, type Position } from '../../../../src/client/sync/cursor-store.ts';
import { memoryStorage, type CommStorage } from '../../../../src/index.ts';
import { uuidv7 } from '../../../../src/lib/ids.ts';
import { manualClock } from '../../../helpers/manual-clock.ts';
import { settle } from '../../../helpers/client/fake-socket.ts';

const POSITION: Position = {
  inboxRev: 7,
  heads: new Map([
    ['c', { seq: 3, rev: 5 }],
    ['d', { seq: 1, rev: 1 }],
  ]),
};

function setUp(storage: CommStorage, position: Position = POSITION) {
  const clock = manualClock();
  const reported: unknown[] = [];
  return {
    clock,
    reported,
    store: new CursorStore(storage, { clock, newId: uuidv7, report: (error) => reported.push(error) }, () => position),
  };
}

test('the next session continues from the stored position, separately for each user', async () => {
  const storage = memoryStorage();
  const first = setUp(storage).store;
  await first.load('alice');
  await first.save();
  expect(await setUp(storage).store.load('alice')).toEqual(POSITION);
  expect(await setUp(storage).store.load('bob')).toEqual({ inboxRev: 0, heads: new Map() });
});

test('any user id can be stored', async () => {
  const storage = memoryStorage();
  for (const userId of ['a/b', 'Zoë', 'x y']) {
    const { store: each } = setUp(storage);
    await each.load(userId);
    await each.save();
  }
  const keys = (await storage.list('')).map(([key]) => key);
  expect(keys).toHaveLength(3);
  expect(keys.every((key) => /^[\x21-\x7e]+$/.test(key))).toBe(true);
});

test('a client that is behind does not overwrite the further position of another client of the storage', async () => {
  const storage = memoryStorage();
  const ahead: Position = {
    inboxRev: 9,
    heads: new Map([
      ['c', { seq: 8, rev: 12 }],
      ['e', { seq: 1, rev: 1 }],
    ]),
  };
  const [one, other] = [setUp(storage).store, setUp(storage, ahead).store];
  for (const each of [one, other]) await each.load('alice');
  for (const each of [other, one, one]) await each.save();
  expect(await setUp(storage).store.load('alice')).toEqual({
    inboxRev: 9,
    heads: new Map([...POSITION.heads, ...ahead.heads]),
  });
});

test('the position of a user is not overwritten while the next user signs in', async () => {
  const storage = memoryStorage();
  const position = { ...POSITION };
  const { store: each, clock } = setUp(storage, position);
  await each.load('alice');
  await each.save();
  each.changed();
  position.heads = new Map();
  const loading = each.load('bob');
  clock.advance(1_000);
  await loading;
  await each.save();
  expect(await setUp(storage).store.load('alice')).toEqual(POSITION);
});

test('the only client on a storage moves its cursor back when the server was restored', async () => {
  const storage = memoryStorage();
  const first = setUp(storage).store;
  await first.load('alice');
  await first.save();
  const back: Position = { inboxRev: 2, heads: new Map([['c', { seq: 1, rev: 1 }]]) };
  const second = setUp(storage, back).store;
  await second.load('alice');
  await second.save();
  expect(await setUp(storage).store.load('alice')).toEqual(back);
});

test('changes are stored at most once a second', async () => {
  const storage = memoryStorage();
  const { store: each, clock } = setUp(storage);
  await each.load('alice');
  for (let count = 0; count < 100; count += 1) each.changed();
  expect(clock.pending).toBe(1);
  expect(await storage.list('')).toEqual([]);
  clock.advance(1_000);
  await settle();
  expect(await storage.list('')).toHaveLength(1);
});

test('save() cancels the scheduled save', async () => {
  const { store: each, clock } = setUp(memoryStorage());
  await each.load('alice');
  each.changed();
  await each.save();
  expect(clock.pending).toBe(0);
});

test('nothing is stored before a user is loaded', async () => {
  const storage = memoryStorage();
  const { store: each } = setUp(storage);
  await each.save();
  expect(await storage.list('')).toEqual([]);
});

test('the stored position is not overwritten while it is loaded', async () => {
  const storage = memoryStorage();
  const first = setUp(storage).store;
  await first.load('alice');
  await first.save();
  const second = setUp(storage, { inboxRev: 0, heads: new Map() }).store;
  const loading = second.load('alice');
  await second.save();
  expect(await loading).toEqual(POSITION);
  expect(await setUp(storage).store.load('alice')).toEqual(POSITION);
});

test.each([
  ['a text', 'nonsense'],
  ['an old shape', { inboxRev: '7', heads: [] }],
  ['no list', { inboxRev: 7, heads: {} }],
])('%s in the storage counts as no position', async (_title, value) => {
  const storage = memoryStorage();
  await storage.transact([], () => ({ writes: new Map([['alice/cursors', value]]), result: undefined }));
  expect(await setUp(storage).store.load('alice')).toEqual({ inboxRev: 0, heads: new Map() });
});

test('an invalid entry does not affect the others', async () => {
  const storage = memoryStorage();
  const value = { inboxRev: 7, heads: [['c', 3, 5], 'x', ['d'], [1, 2, 3], null] };
  await storage.transact([], () => ({ writes: new Map([['alice/cursors', value]]), result: undefined }));
  expect(await setUp(storage).store.load('alice')).toEqual({
    inboxRev: 7,
    heads: new Map([['c', { seq: 3, rev: 5 }]]),
  });
});

test('a storage error is reported, and counts as no position', async () => {
  const broken: CommStorage = {
    ...memoryStorage(),
    get: () => Promise.reject(new Error('get')),
    transact: () => Promise.reject(new Error('transact')),
  };
  const { store: each, reported } = setUp(broken);
  expect(await each.load('alice')).toEqual({ inboxRev: 0, heads: new Map() });
  await each.save();
  expect(reported).toMatchObject([{ message: 'get' }, { message: 'transact' }]);
});
