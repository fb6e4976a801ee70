import { expect, test } from 'vitest';
import { CursorKeeper, type Position } from '../../../src/client/cursor-keeper.ts';
import { memoryStorage, type CommStorage } from '../../../src/index.ts';
import { manualClock } from '../../helpers/manual-clock.ts';
import { settle } from '../../helpers/client/fake-socket.ts';

const POSITION: Position = {
  inboxRev: 7,
  heads: new Map([
    ['c', { seq: 3, rev: 5 }],
    ['d', { seq: 1, rev: 1 }],
  ]),
};

function keeper(storage: CommStorage, position: Position = POSITION) {
  const clock = manualClock();
  const reported: unknown[] = [];
  return {
    clock,
    reported,
    keeper: new CursorKeeper(
      storage,
      clock,
      () => position,
      (error) => reported.push(error),
    ),
  };
}

test('where the client stood is where the next one begins, for each user apart', async () => {
  const storage = memoryStorage();
  const first = keeper(storage).keeper;
  await first.load('alice');
  await first.save();
  expect(await keeper(storage).keeper.load('alice')).toEqual(POSITION);
  expect(await keeper(storage).keeper.load('bob')).toEqual({ inboxRev: 0, heads: new Map() });
});

test('user ids of any kind have a place', async () => {
  const storage = memoryStorage();
  for (const userId of ['a/b', 'Zoë', 'x y']) {
    const { keeper: each } = keeper(storage);
    await each.load(userId);
    await each.save();
  }
  const keys = (await storage.list('')).map(([key]) => key);
  expect(keys).toHaveLength(3);
  expect(keys.every((key) => /^[\x21-\x7e]+$/.test(key))).toBe(true);
});

test('of two clients that share a storage, the one behind does not take back what the other one was told', async () => {
  const storage = memoryStorage();
  const ahead: Position = {
    inboxRev: 9,
    heads: new Map([
      ['c', { seq: 8, rev: 12 }],
      ['e', { seq: 1, rev: 1 }],
    ]),
  };
  const [one, other] = [keeper(storage).keeper, keeper(storage, ahead).keeper];
  for (const each of [one, other]) await each.load('alice');
  for (const each of [other, one, one]) await each.save();
  expect(await keeper(storage).keeper.load('alice')).toEqual({
    inboxRev: 9,
    heads: new Map([...POSITION.heads, ...ahead.heads]),
  });
});

test('what one user knew is not taken from them while the next one signs in', async () => {
  const storage = memoryStorage();
  const position = { ...POSITION };
  const { keeper: each, clock } = keeper(storage, position);
  await each.load('alice');
  await each.save();
  each.moved();
  position.heads = new Map();
  const loading = each.load('bob');
  clock.advance(1_000);
  await loading;
  await each.save();
  expect(await keeper(storage).keeper.load('alice')).toEqual(POSITION);
});

test('whoever is alone goes back where the server has gone back', async () => {
  const storage = memoryStorage();
  const first = keeper(storage).keeper;
  await first.load('alice');
  await first.save();
  const back: Position = { inboxRev: 2, heads: new Map([['c', { seq: 1, rev: 1 }]]) };
  const second = keeper(storage, back).keeper;
  await second.load('alice');
  await second.save();
  expect(await keeper(storage).keeper.load('alice')).toEqual(back);
});

test('however often it moves, it is written once a second', async () => {
  const storage = memoryStorage();
  const { keeper: each, clock } = keeper(storage);
  await each.load('alice');
  for (let count = 0; count < 100; count += 1) each.moved();
  expect(clock.pending).toBe(1);
  expect(await storage.list('')).toEqual([]);
  clock.advance(1_000);
  await settle();
  expect(await storage.list('')).toHaveLength(1);
});

test('saving ends the timer', async () => {
  const { keeper: each, clock } = keeper(memoryStorage());
  await each.load('alice');
  each.moved();
  await each.save();
  expect(clock.pending).toBe(0);
});

test('before it is known whose it is, nothing is written', async () => {
  const storage = memoryStorage();
  const { keeper: each } = keeper(storage);
  await each.save();
  expect(await storage.list('')).toEqual([]);
});

test('what was kept is not overwritten while it is being read', async () => {
  const storage = memoryStorage();
  const first = keeper(storage).keeper;
  await first.load('alice');
  await first.save();
  const second = keeper(storage, { inboxRev: 0, heads: new Map() }).keeper;
  const loading = second.load('alice');
  await second.save();
  expect(await loading).toEqual(POSITION);
  expect(await keeper(storage).keeper.load('alice')).toEqual(POSITION);
});

test.each([
  ['a text', 'nonsense'],
  ['an old shape', { inboxRev: '7', heads: [] }],
  ['no list', { inboxRev: 7, heads: {} }],
])('%s in the storage is a new start', async (_title, value) => {
  const storage = memoryStorage();
  await storage.transact([], () => ({ writes: new Map([['alice/cursors', value]]), result: undefined }));
  expect(await keeper(storage).keeper.load('alice')).toEqual({ inboxRev: 0, heads: new Map() });
});

test('one entry that makes no sense does not spoil the others', async () => {
  const storage = memoryStorage();
  const value = { inboxRev: 7, heads: [['c', 3, 5], 'x', ['d'], [1, 2, 3], null] };
  await storage.transact([], () => ({ writes: new Map([['alice/cursors', value]]), result: undefined }));
  expect(await keeper(storage).keeper.load('alice')).toEqual({
    inboxRev: 7,
    heads: new Map([['c', { seq: 3, rev: 5 }]]),
  });
});

test('a storage that fails is reported, and costs nothing but a second look', async () => {
  const broken: CommStorage = {
    ...memoryStorage(),
    get: () => Promise.reject(new Error('get')),
    transact: () => Promise.reject(new Error('transact')),
  };
  const { keeper: each, reported } = keeper(broken);
  expect(await each.load('alice')).toEqual({ inboxRev: 0, heads: new Map() });
  await each.save();
  expect(reported).toMatchObject([{ message: 'get' }, { message: 'transact' }]);
});
