import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { CommClient } from '../../../src/index.ts';
import { startTestServer } from '../../../src/server/testing/start-test-server.ts';
import { patientClock } from '../../helpers/client/patient-clock.ts';
import { connectUser } from '../../../src/testing/connect-user.ts';
import { addConversations } from '../../helpers/server/many-conversations.ts';

const COUNT = 2_000;
const MUCH = { burst: 100_000, perSecond: 100_000 };

test(
  'a client that returns after it has lost more than 500 conversations lists none of them',
  { timeout: 180_000 },
  async () => {
    const db = new DatabaseSync(':memory:');
    await using server = await startTestServer({ db, limits: { messages: MUCH, requests: MUCH } });
    const ids = await addConversations(db, 620, ['bob', 'ann']);
    await using ann = new CommClient({ url: server.url, userId: 'ann', clock: patientClock() });
    const left = new Set<string>();
    ann.on('conversation:left', ({ conversationId }) => void left.add(conversationId));
    await ann.connect();
    await ann.disconnect();
    const lost = ids.slice(0, 610);
    db.prepare("DELETE FROM conversation_participants WHERE user_id = 'ann' AND conversation_id <= ?").run(
      lost.at(-1) ?? '',
    );
    await ann.connect();
    await expect.poll(() => [...left].toSorted()).toEqual(lost);
  },
);

test(
  'a new device of a user in thousands of conversations misses no message of any of them',
  { timeout: 180_000 },
  async () => {
    const db = new DatabaseSync(':memory:');
    await using server = await startTestServer({ db, limits: { messages: MUCH, requests: MUCH } });
    await using bob = await connectUser({ url: server.url, userId: 'bob' });
    const ids = await addConversations(db, COUNT, ['bob', 'ann']);
    await using ann = new CommClient({ url: server.url, userId: 'ann', clock: patientClock() });
    const told: string[] = [];
    ann.on('message:new', ({ conversationId }) => void told.push(conversationId));
    await ann.connect();
    await ann.disconnect();
    // The oldest ones did not fit in the answer to the first sync.
    const missed = [...ids.slice(0, 5), ...ids.slice(-5)];
    for (const id of missed) await bob.send(id, 'While you were away');
    await ann.connect();
    await expect.poll(() => told.toSorted()).toEqual(missed);
  },
);
