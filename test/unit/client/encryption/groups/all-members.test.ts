import { expect, test } from 'vitest';
import { AllMembers } from '../../../../../src/client/encryption/groups/conversation-members.ts';
import type { Conversation, Participant } from '../../../../../src/protocol/conversations.ts';
import { conversation } from '../../../../helpers/client/messages.ts';

const participant = (userId: string): Participant => ({
  userId,
  displayName: userId,
  joinedAt: '',
  presence: 'offline',
});

/** A server that returns two members per page. */
function start(members: string[]): { all: AllMembers; requests: (string | undefined)[] } {
  const requests: (string | undefined)[] = [];
  const all = new AllMembers((_id, after) => {
    requests.push(after);
    const from = after === undefined ? 0 : members.indexOf(after) + 1;
    const page = members.slice(from, from + 2).map(participant);
    return Promise.resolve({ members: page, memberCount: members.length, hasMore: from + 2 < members.length });
  });
  return { all, requests };
}
const large = (membersRev?: number): Conversation =>
  conversation({ participants: [participant('ann')], memberCount: 5, membersRev });

test('the members of a large group are read once per revision', async () => {
  const members = ['ann', 'bob', 'cleo', 'dan', 'eve'];
  const { all, requests } = start(members);
  expect(await all.of(large(1))).toEqual(members);
  expect(requests).toEqual([undefined, 'bob', 'dan']);
  expect(await all.of(large(1))).toEqual(members);
  expect(requests).toHaveLength(3);
  members.pop();
  expect(await all.of(large(2))).toEqual(['ann', 'bob', 'cleo', 'dan']);
});

test('without a revision, and for another user, they are read again', async () => {
  const { all, requests } = start(['ann', 'bob', 'cleo']);
  await all.of(large());
  await all.of(large());
  expect(requests).toHaveLength(4);
  await all.of(large(1));
  all.clear();
  await all.of(large(1));
  expect(requests).toHaveLength(8);
});

test('the members of a small group are those that it lists', async () => {
  const { all, requests } = start([]);
  expect(await all.of(conversation({ participants: [participant('ann')], memberCount: 1 }))).toEqual(['ann']);
  expect(requests).toEqual([]);
});
