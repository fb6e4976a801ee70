import { expect, test } from 'vitest';
import { UserDirectory } from '../../../../src/client/users/user-directory.ts';
import { CommError } from '../../../../src/protocol/errors.ts';
import { fakeContext, type FakeContext } from '../../../helpers/client/context.ts';

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const REFUSED = new CommError('RATE_LIMITED', 'Too many requests', { retryAfterMs: 10 });
const carol = { id: 'carol', displayName: 'Carol', updatedAt: '2026-01-01T00:00:00.000Z' };

function connected(): { context: FakeContext; directory: UserDirectory } {
  const context = fakeContext();
  context.caps.add('profiles');
  return { context, directory: new UserDirectory(context, () => undefined) };
}

test('a watched profile is requested until a request succeeds', async () => {
  const { context, directory } = connected();
  const watched = directory.observe(['carol']);
  watched.subscribe(() => undefined);
  await settled();
  context.open('user:get')[0]?.answer.reject(REFUSED);
  await settled();
  context.clock.advance(60_000);
  await settled();
  context.open('user:get')[1]?.answer.resolve({ users: [carol] });
  await settled();
  expect(watched.getSnapshot().get('carol')).toEqual(carol);
  expect(context.reported).toEqual([]);
});

test('users behind the end of a list that was cut are requested', async () => {
  const { context, directory } = connected();
  const ids = ['dave', 'carol', 'erin', 'frank'];
  directory.observe(ids).subscribe(() => undefined);
  await settled();
  // The server shows nothing of dave.
  context.open('user:get')[0]?.answer.resolve({ users: [carol], hasMore: true });
  await settled();
  context
    .open('user:get')
    .at(-1)
    ?.answer.resolve({ users: [{ ...carol, id: 'erin' }] });
  await settled();
  expect(context.asked.filter(({ name }) => name === 'user:get').map(({ payload }) => payload)).toEqual([
    { userIds: ids },
    { userIds: ['erin', 'frank'] },
  ]);
});

test('a server that always says that more follows, and lists no requested user, is not asked again', async () => {
  const { context, directory } = connected();
  directory.observe(['dave', 'erin']).subscribe(() => undefined);
  await settled();
  context.open('user:get')[0]?.answer.resolve({ users: [carol], hasMore: true });
  await settled();
  expect(context.asked.filter(({ name }) => name === 'user:get')).toHaveLength(1);
});

test('the list of blocked users is requested until a request succeeds, and keeps what was blocked meanwhile', async () => {
  const { context, directory } = connected();
  const blocked = directory.followBlocked();
  context.open('user:blocked')[0]?.answer.reject(REFUSED);
  await settled();
  directory.applyBlock({ userId: 'dave', blocked: true });
  context.clock.advance(60_000);
  await settled();
  directory.applyBlock({ userId: 'erin', blocked: true });
  context.open('user:blocked')[1]?.answer.resolve({ userIds: ['carol', 'dave'] });
  await settled();
  expect([...blocked.getSnapshot()].sort()).toEqual(['carol', 'dave', 'erin']);
  expect(context.reported).toEqual([]);
});

test('a lost connection is not reported, and leaves no timer', async () => {
  const { context, directory } = connected();
  directory.observe(['carol']).subscribe(() => undefined);
  directory.followBlocked();
  await settled();
  context.line = 'down';
  for (const { answer } of context.asked) answer.reject(new CommError('DISCONNECTED', 'The line is down'));
  context.emitter.emit('status', 'reconnecting');
  await settled();
  expect([context.reported, context.clock.pending]).toEqual([[], 0]);
  context.line = 'up';
  context.emitter.emit('status', 'connected');
  await settled();
  expect(context.asked.map(({ name }) => name).sort()).toEqual([
    'user:blocked',
    'user:blocked',
    'user:get',
    'user:get',
  ]);
});
