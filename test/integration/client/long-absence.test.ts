import { expect, test } from 'vitest';
import { CommClient } from '../../../src/index.ts';
import { startTestServer } from '../../../src/server/testing/start-test-server.ts';
import { patientClock } from '../../helpers/client/patient-clock.ts';
import { connectUser } from '../../../src/testing/connect-user.ts';

/** More than one page of the list. */
const CONVERSATIONS = 70;

const MUCH = { burst: 100_000, perSecond: 100_000 };

test('after an absence with changes everywhere, conversations are not requested one by one', async () => {
  // What the other user creates at once is more than a server with default limits lets one user create.
  const limits = { messages: MUCH, conversationsCreated: MUCH };
  await using server = await startTestServer({ limits });
  await using bob = await connectUser({ url: server.url, userId: 'bob' });
  const ids: string[] = [];
  for (let number = 0; number < CONVERSATIONS; number += 1) {
    ids.push((await bob.request('conversation:create', { type: 'group', participantIds: ['ann'] })).id);
  }
  const asked: string[] = [];
  const spied: typeof fetch = (input, init) => {
    asked.push(new URL(input as string).pathname);
    return fetch(input, init);
  };
  await using ann = new CommClient({ url: server.url, userId: 'ann', fetch: spied, clock: patientClock() });
  ann.conversations.inbox.subscribe(() => undefined);
  await ann.connect();
  await ann.disconnect();
  for (const id of ids) await bob.send(id, 'While you were away');

  asked.length = 0;
  const told = new Set<string>();
  const all = new Promise<void>((resolve) => {
    ann.on('message:new', ({ id }) => {
      if (told.add(id).size === CONVERSATIONS) resolve();
    });
  });
  await ann.connect();
  await all;
  await expect.poll(() => ann.conversations.inbox.getSnapshot().conversations[0]?.unreadCount).toBe(1);
  expect(asked.filter((path) => /\/conversations\/[^/]+$/.test(path))).toEqual([]);
});
