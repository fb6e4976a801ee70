import { expect, test } from 'vitest';
import { SharedCallsBench, type BenchProcess } from '../../../../helpers/server/shared-calls-bench.ts';

/** Removes a user by a process after a request of another one has read the members. */
function removeMeanwhile(bench: SharedCallsBench, by: BenchProcess, userId: string): void {
  bench.onMembersRead = async () => {
    bench.members.delete(userId);
    by.calls.memberRemoved(userId, 'c');
    await by.calls.idle();
  };
}

test('a user who is removed by another process while joining a call does not stay in it', async () => {
  const bench = new SharedCallsBench();
  const [one, two] = [await bench.start('P1'), await bench.start('P2')];
  await one.connect('alice/1');
  await two.connect('bob/1');
  await two.connect('carol/1');
  const { id: callId } = await one.dial('alice/1', ['bob'], 'A');
  await two.answer('bob/1', callId, 'B');
  removeMeanwhile(bench, one, 'carol');
  const joining = two.calls.join(two.device('carol/1'), { conversationId: 'c', deviceId: 'C' });
  await expect(joining).rejects.toMatchObject({ code: 'NOT_FOUND' });
  const { participants } = await one.calls.sync(one.device('alice/1'), { callId, deviceId: 'A' });
  expect(participants.map(({ userId }) => userId)).toEqual(['alice', 'bob']);
});

test('a call of a user who is removed by another process while starting it ends', async () => {
  const bench = new SharedCallsBench();
  const [one, two] = [await bench.start('P1'), await bench.start('P2')];
  await one.connect('bob/1');
  await two.connect('carol/1');
  removeMeanwhile(bench, one, 'carol');
  await expect(two.dial('carol/1', ['bob'], 'C')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect(bench.logged).toMatchObject([{ callerId: 'carol', state: 'ended' }]);
});
