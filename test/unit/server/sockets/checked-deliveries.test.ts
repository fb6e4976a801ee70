import { beforeEach, expect, test } from 'vitest';
import { deferred, type Deferred } from '../../../../src/lib/deferred.ts';
import { CheckedDeliveries } from '../../../../src/server/sockets/checked-deliveries.ts';

let isTold: boolean;
let rooms: Map<string, Set<string>>;
let delivered: string[];
let reads: Deferred<readonly string[]>[];
let reported: unknown[];
let deliveries: CheckedDeliveries;

beforeEach(() => {
  isTold = true;
  rooms = new Map([['c', new Set(['ana', 'ben'])]]);
  delivered = [];
  reads = [];
  reported = [];
  deliveries = new CheckedDeliveries({
    isTold: () => isTold,
    usersIn: (id) => rooms.get(id) ?? new Set(),
    formerMembers: () => {
      const read = deferred<readonly string[]>();
      reads.push(read);
      return read.promise;
    },
    report: (error) => void reported.push(error),
    remove: (userId, id) => void rooms.get(id)?.delete(userId),
  });
});

/** Delivers to a room: what each user in it receives. */
function toRoom(text: string): void {
  deliveries.run(() => {
    for (const userId of rooms.get('c') ?? []) delivered.push(`${userId} ${text}`);
  }, ['c']);
}

/** Lets what was read be used. */
const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

test('while the others tell of removals, a push is delivered at once', () => {
  toRoom('1');
  expect(delivered).toEqual(['ana 1', 'ben 1']);
  expect(reads).toEqual([]);
});

test('otherwise who is not a member any more is put out of the room before', async () => {
  isTold = false;
  toRoom('1');
  expect(delivered).toEqual([]);
  reads[0]?.resolve(['ben']);
  await turn();
  expect(delivered).toEqual(['ana 1']);
});

test('other pushes wait for those before them, also if the others can be reached meanwhile', async () => {
  isTold = false;
  toRoom('1');
  isTold = true;
  deliveries.run(() => void delivered.push('to ana 2'));
  toRoom('3');
  expect(delivered).toEqual([]);
  reads[0]?.resolve([]);
  await turn();
  reads[1]?.resolve(['ana']);
  await turn();
  expect(delivered).toEqual(['ana 1', 'ben 1', 'to ana 2', 'ben 3']);
  toRoom('4');
  expect(delivered.at(-1)).toBe('ben 4');
});

test('a push to a room whose members can not be read is dropped, and the others are not', async () => {
  isTold = false;
  toRoom('1');
  deliveries.run(() => void delivered.push('to ana 2'));
  reads[0]?.reject(new Error('The database can not be reached'));
  await turn();
  reads[1]?.resolve([]);
  await turn();
  expect(delivered).toEqual(['to ana 2']);
});

test('an empty room costs no read', async () => {
  isTold = false;
  rooms.clear();
  toRoom('1');
  await turn();
  expect(reads).toEqual([]);
});

test('a delivery that fails does not keep back those that follow', async () => {
  isTold = false;
  const failure = new Error('failed');
  deliveries.run(() => {
    throw failure;
  }, ['c']);
  toRoom('1');
  reads[0]?.resolve([]);
  await turn();
  reads[1]?.resolve([]);
  await turn();
  expect(delivered).toEqual(['ana 1', 'ben 1']);
  expect(reported).toEqual([failure]);
});
