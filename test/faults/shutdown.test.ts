import { expect, test } from 'vitest';
import { CommClient } from '../../src/index.ts';
import { isCommError } from '../../src/protocol/errors.ts';
import { startServerProcess } from '../../src/server/testing/server-process.ts';
import { connectUser } from '../../src/testing/connect-user.ts';
import { LARGE_BUDGETS_ARGS } from '../helpers/server/comm-server.ts';
import { temporaryDirectory } from '../helpers/temporary-directory.ts';
import { fastClock } from './actor.ts';
import { readDatabase } from './checks.ts';

test('SIGTERM during requests: each is answered, acknowledged ones are stored, and clients reconnect', async () => {
  await using directory = await temporaryDirectory();
  const database = `${directory.path}/comm.sqlite`;
  await using server = await startServerProcess({ database, args: LARGE_BUDGETS_ARGS });
  await using ann = await connectUser({ url: server.url, userId: 'ann' });
  const { id } = await ann.request('conversation:create', { type: 'group', participantIds: ['bob'] });
  await using bob = new CommClient({ url: server.url, userId: 'bob', clock: fastClock });
  await bob.connect();
  const statuses: string[] = [];
  bob.on('status', (status) => statuses.push(status));

  const sends = Array.from({ length: 300 }, (_, number) =>
    ann.send(id, `ann ${number}`).then(
      () => number,
      (error: unknown) => (isCommError(error) ? error.code : 'not a CommError'),
    ),
  );
  await sends[0];
  const exit = server.kill('SIGTERM');
  const later = bob.messages.send({ conversationId: id, content: 'bob 1' });
  expect(await exit).toBe(0);
  const outcomes = await Promise.all(sends);
  const stored = outcomes.filter((outcome) => typeof outcome === 'number');
  // Requests that arrive too late are rejected or lose their connection; none hangs.
  expect(new Set(outcomes.filter((outcome) => typeof outcome === 'string'))).toSatisfy((codes: Set<string>) =>
    [...codes].every((code) => code === 'UNAVAILABLE' || code === 'DISCONNECTED'),
  );
  const { rows, problems } = readDatabase(database);
  expect(problems).toEqual([]);
  const contents = new Set(rows.map(({ content }) => content));
  expect(stored.filter((number) => !contents.has(`ann ${number}`))).toEqual([]);
  await expect(fetch(`${server.url}/healthz`)).rejects.toThrow('fetch failed');

  await server.restart();
  expect(await later).toMatchObject({ content: 'bob 1', status: 'sent' });
  await bob.connect();
  expect(statuses.at(-1)).toBe('connected');
  expect(statuses).not.toContain('disconnected');
});
