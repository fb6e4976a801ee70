import { expect, test } from 'vitest';
import { deferred } from '../../../../../src/lib/deferred.ts';
import { silentLogger } from '../../../../../src/lib/logger.ts';
import type { Caller } from '../../../../../src/server/services/ports.ts';
import { MessagePolicy } from '../../../../../src/server/services/moderation/message-policy.ts';
import type { ServiceDeps } from '../../../../../src/server/services/service-deps.ts';
import { manualClock } from '../../../../helpers/manual-clock.ts';

test('a repeated message about which the hook is being asked reads nothing that nobody awaits', async () => {
  const answer = deferred<undefined>();
  let reads = 0;
  const read = async (): Promise<unknown> => {
    reads += 1;
    // The database fails after the first read. A rejection that nobody handles fails the test run.
    if (reads > 1) throw new Error('The database is closed');
    return await Promise.resolve({ isMember: true, own: new Map() });
  };
  const policy = new MessagePolicy({
    store: { read },
    hooks: { beforeMessage: () => answer.promise },
    clock: manualClock(),
    logger: silentLogger,
  } as unknown as ServiceDeps);
  const caller: Caller = { userId: 'ada', caps: new Set() };
  const request = { conversationId: 'c', content: 'hello', type: 'text', clientId: 'once' } as const;
  const store = async (): Promise<PromiseSettledResult<never>[]> =>
    await Promise.resolve([{ status: 'rejected', reason: new Error('not stored') }]);
  const sent = [policy.send(caller, 'c', [request], store), policy.send(caller, 'c', [request], store)];
  answer.resolve(undefined);
  await Promise.all(sent);
  expect(reads).toBe(1);
});
