import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { MailboxService } from '../../../src/server/services/e2ee/mailbox-service.ts';
import { mailboxUsage } from '../../../src/server/store/queries/mailbox.ts';
import { caller, startChat, type Chat } from '../../helpers/server/chat.ts';
import { DATABASES } from '../../helpers/server/databases.ts';
import { sessionInit } from '../../helpers/server/envelopes.ts';
import { handedTo, mailboxOf } from '../../helpers/server/mailbox.ts';
import { fc } from '../../helpers/property.ts';

const DAY_MS = 86_400_000;

describe('MailboxService', () => {
  let chat: Chat;
  let mailbox: MailboxService;
  beforeEach(async () => {
    chat = await startChat();
    mailbox = mailboxOf(chat);
    const { id } = await chat.group('ada', 'bob', 'cleo');
    // Bob knows the others, so that they may use his whole mailbox.
    await chat.say('bob', id, 'hello');
  });
  afterEach(() => chat.sqlite.close());

  const send = (text: string, from = 'ada', to = 'bob') =>
    mailbox.send(caller(from, from), sessionInit(from, to, text));
  /** Connects a socket of bob's and answers with what it is handed. */
  const collect = async (socketId: string): Promise<string[]> => {
    mailbox.connected(caller('bob', socketId));
    await mailbox.acknowledge(caller('bob'), { mailboxIds: ['0'] });
    return handedTo(socketId, chat.broadcaster.pushes).map(([, text]) => text);
  };
  const rows = async (): Promise<unknown> => (await chat.sql('SELECT count(*) AS n FROM comm_mailbox'))[0]?.['n'];
  /** Rows as if others had filled it. */
  const fill = async (count: number, size: number, sender = 'sender'): Promise<void> => {
    await chat.sql(`
      WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
      INSERT INTO comm_mailbox (recipient_id, sender_id, digest, size, stored_at, envelope)
      SELECT 'bob', '${sender} ' || i, 'digest', ${size}, '${new Date(chat.clock.now()).toISOString()}', '{}' FROM n`);
  };

  test('envelopes expire after thirty days', async () => {
    await send('old');
    chat.clock.advance(DAY_MS);
    await send('newer');
    chat.clock.advance(29 * DAY_MS);
    expect(await collect('s1')).toEqual(['old', 'newer']);
    chat.clock.advance(1);
    expect(await collect('s2')).toEqual(['newer']);
  });

  test('a write sweeps expired envelopes of all mailboxes', async () => {
    await send('to cleo', 'ada', 'cleo');
    chat.clock.advance(31 * DAY_MS);
    await fill(2_500, 10);
    await chat.sql("UPDATE comm_mailbox SET stored_at = '2020-01-01T00:00:00.000Z' WHERE recipient_id = 'bob'");
    await send('fresh', 'bob', 'ada');
    for (let step = 0; step < 3; step += 1) await send('fresh', 'bob', 'ada');
    await chat.store.drain();
    expect(await rows()).toBe(1);
  });

  test('a mailbox holds 2,000 envelopes and 16 MiB, then rejects until some are acknowledged', async () => {
    await fill(1_999, 10);
    await send('the last one');
    await expect(send('too many')).rejects.toMatchObject({ code: 'RATE_LIMITED', retryAfterMs: 600_000 });
    await expect(send('too many', 'cleo')).rejects.toMatchObject({ code: 'RATE_LIMITED' });
    await mailbox.acknowledge(caller('bob'), { mailboxIds: ['1'] });
    await send('fits again');

    await chat.sql('DELETE FROM comm_mailbox');
    await fill(128, 128 * 1_024);
    await expect(send('too large')).rejects.toMatchObject({ code: 'RATE_LIMITED' });
    await send('to another user', 'ada', 'cleo');
  });

  test('strangers may use half of a mailbox', async () => {
    await chat.group('eve', 'bob');
    await fill(999, 10);
    await send('the last one', 'eve');
    await expect(send('too many', 'eve')).rejects.toMatchObject({ code: 'RATE_LIMITED', retryAfterMs: 600_000 });
    await send('known');

    await chat.sql('DELETE FROM comm_mailbox');
    await fill(64, 128 * 1_024);
    await expect(send('too large', 'eve')).rejects.toMatchObject({ code: 'RATE_LIMITED' });
    await send('known');
  });

  test('a sender may use half a megabyte of a mailbox', async () => {
    const large = (index: number): string => `${index}`.padEnd(90_000, '.');
    for (let index = 0; index < 4; index += 1) await send(large(index));
    await expect(send(large(5))).rejects.toMatchObject({ code: 'RATE_LIMITED' });
    await send(large(6), 'cleo');
    await send('small');
  });

  test('a rejected envelope is neither stored nor pushed', async () => {
    chat.broadcaster.take();
    const strange = { ...sessionInit('ada', 'bob'), recipientId: 'cleo' };
    await expect(mailbox.send(caller('ada'), strange)).rejects.toMatchObject({ code: 'INVALID' });
    await expect(mailbox.send(caller('ada'), sessionInit('cleo', 'bob'))).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(mailbox.send(caller('eve'), sessionInit('eve', 'bob'))).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(mailbox.send(caller('ada'), sessionInit('ada', 'unknown'))).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    expect([await rows(), chat.broadcaster.take()]).toEqual([0, []]);
  });

  test('an invalid stored envelope is skipped', async () => {
    await fill(150, 10);
    await send('readable');
    expect(await collect('s1')).toEqual([]);
    // The first page had nothing that can be acknowledged, so the second followed by itself.
    await mailbox.acknowledge(caller('bob'), { mailboxIds: ['0'] });
    expect(handedTo('s1', chat.broadcaster.pushes).map(([, text]) => text)).toEqual(['readable']);
  });

  test('a client that never acknowledges some entries still receives the rest', async () => {
    for (let index = 0; index < 190; index += 1) await send(`a ${index}`);
    for (let index = 0; index < 190; index += 1) await send(`c ${index}`, 'cleo');
    await collect('s1');
    for (;;) {
      const handed = handedTo('s1', chat.broadcaster.pushes);
      // Every other one.
      const mailboxIds = handed.map(([id]) => id).filter((_, index) => index % 2 === 0);
      for (let from = 0; from < mailboxIds.length; from += 200) {
        await mailbox.acknowledge(caller('bob'), { mailboxIds: mailboxIds.slice(from, from + 200) });
      }
      await mailbox.acknowledge(caller('bob'), { mailboxIds: ['0'] });
      if (handedTo('s1', chat.broadcaster.pushes).length === handed.length) break;
    }
    expect(handedTo('s1', chat.broadcaster.pushes)).toHaveLength(380);
  });

  test('a failed read is retried with the next envelope', async () => {
    await send('first');
    await chat.sql('ALTER TABLE comm_mailbox RENAME TO hidden');
    mailbox.connected(caller('bob', 's1'));
    await chat.store.drain();
    await chat.sql('ALTER TABLE hidden RENAME TO comm_mailbox');
    await send('second');
    await mailbox.acknowledge(caller('bob'), { mailboxIds: ['0'] });
    expect(handedTo('s1', chat.broadcaster.pushes).map(([, text]) => text)).toEqual(['first', 'second']);
  });
});

type Step = { do: 'send'; count: number } | { do: 'acknowledge'; share: number } | { do: 'reconnect' };

const steps = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant('send' as const), count: fc.integer({ min: 1, max: 60 }) }),
    fc.record({ do: fc.constant('acknowledge' as const), share: fc.integer({ min: 1, max: 3 }) }),
    fc.record({ do: fc.constant('reconnect' as const) }),
  ),
  { minLength: 1, maxLength: 12 },
);

test.each(['node:sqlite', 'an asynchronous LumenDb'])(
  'on %s each socket receives all entries in order, however sends, acknowledgements and reconnects interleave',
  async (driver) => {
    await fc.assert(
      fc.asyncProperty(steps, async (plan: readonly Step[]) => {
        const database = DATABASES[driver]?.(':memory:');
        if (database === undefined) throw new Error('There is no such driver');
        const chat = await startChat({ db: database.db });
        const mailbox = mailboxOf(chat);
        await chat.direct('ada', 'bob');
        const waiting: Promise<unknown>[] = [];
        const sent: string[] = [];
        const acknowledged = new Set<string>();
        let sockets = 0;
        const acknowledge = (share: number): void => {
          const ids = handedTo(`s${sockets}`, chat.broadcaster.pushes).flatMap(([id], index) =>
            index % share === 0 ? [id] : [],
          );
          const fresh = ids.filter((id) => !acknowledged.has(id)).slice(0, 200);
          for (const id of fresh) acknowledged.add(id);
          if (fresh.length > 0) waiting.push(mailbox.acknowledge(caller('bob'), { mailboxIds: fresh }));
        };
        const reconnect = (): void => {
          mailbox.disconnected(caller('bob', `s${sockets}`));
          sockets += 1;
          mailbox.connected(caller('bob', `s${sockets}`));
        };
        for (const step of plan) {
          if (step.do === 'send') {
            for (let index = 0; index < step.count && sent.length < 190; index += 1) {
              sent.push(`text ${sent.length}`);
              waiting.push(mailbox.send(caller('ada'), sessionInit('ada', 'bob', sent.at(-1))));
            }
          } else if (step.do === 'acknowledge') acknowledge(step.share);
          else reconnect();
          // Some steps meet the ones before half done.
          if (sent.length % 3 === 0) await chat.store.drain();
        }
        await Promise.all(waiting);
        reconnect();
        for (let round = 0; round < 10; round += 1) {
          await chat.store.drain();
          acknowledge(1);
        }
        await Promise.all(waiting);

        const byId = new Map<string, string>();
        for (let socket = 1; socket <= sockets; socket += 1) {
          const handed = handedTo(`s${socket}`, chat.broadcaster.pushes);
          for (const [id, text] of handed) byId.set(id, text);
          // In order and each once.
          const ids = handed.map(([id]) => Number(id));
          expect(ids).toEqual([...new Set(ids)].toSorted((a, b) => a - b));
        }
        const all = [...byId].toSorted(([a], [b]) => Number(a) - Number(b)).map(([, text]) => text);
        expect(all).toEqual(sent);
        expect(await chat.store.read(() => mailboxUsage('bob', 'ada'))).toMatchObject({ count: 0 });
        database.close();
      }),
      { numRuns: 20 },
    );
  },
);
