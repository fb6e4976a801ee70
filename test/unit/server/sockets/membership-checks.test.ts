import { beforeEach, expect, test } from 'vitest';
import { MembershipChecks } from '../../../../src/server/sockets/membership-checks.ts';

let members: Set<string>;
let isAnswering: boolean;
let reads: string[];
let events: string[];
let checks: MembershipChecks;

beforeEach(() => {
  members = new Set(['ana']);
  isAnswering = true;
  reads = [];
  events = [];
  checks = new MembershipChecks({
    formerMembers: (id, userIds) => {
      reads.push(`${id}: ${userIds.join(' ')}`);
      if (!isAnswering) return Promise.reject(new Error('no answer'));
      return Promise.resolve(userIds.filter((each) => !members.has(each)));
    },
    join: (userId, id) => void events.push(`join ${userId} ${id}`),
    remove: (userId, id) => void events.push(`remove ${userId} ${id}`),
    contradicted: (userIds) => void events.push(`contradicted ${userIds.join(' ')}`),
  });
});

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

test('what the rows confirm has no consequence, and what is told together is read together', async () => {
  checks.told('c', 'ana', true);
  checks.told('c', 'ben', false);
  checks.told('d', 'ana', true);
  await turn();
  expect(reads).toEqual(['c: ana ben', 'd: ana']);
  expect(events).toEqual([]);
});

test('a user who is told to be a member, and is not, is removed', async () => {
  checks.told('c', 'ben', true);
  await turn();
  expect(events).toEqual(['remove ben c', 'contradicted ben']);
});

test('a member who is told to be removed joins again', async () => {
  checks.told('c', 'ana', false);
  await turn();
  expect(events).toEqual(['join ana c', 'contradicted ana']);
});

test('the last thing that is told of a user counts', async () => {
  checks.told('c', 'ana', false);
  checks.told('c', 'ana', true);
  await turn();
  expect(reads).toEqual(['c: ana']);
  expect(events).toEqual([]);
});

test('without an answer the clients are told that something may be missing', async () => {
  isAnswering = false;
  checks.told('c', 'ana', true);
  await turn();
  expect(events).toEqual(['contradicted ana']);
});
