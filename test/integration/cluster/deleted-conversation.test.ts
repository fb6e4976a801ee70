import { expect, onTestFinished, test } from 'vitest';
import { silentLogger } from '../../../src/lib/logger.ts';
import type { CallRecord } from '../../../src/server/cluster/call-record.ts';
import { MemoryBusHub } from '../../../src/server/cluster/memory-bus.ts';
import { CommunicationStore } from '../../../src/server/cluster/memory-ephemera.ts';
import { serverCoreFor } from '../../../src/server/server-core.ts';
import { openDatabase } from '../../../src/server/store/engine/open.ts';
import { callsInScope, storeSharedCall } from '../../../src/server/store/queries/shared-calls.ts';
import { eventually } from '../../helpers/eventually.ts';
import { manualClock } from '../../helpers/manual-clock.ts';

test('the log of a call is given up if the app has deleted its conversation', async () => {
  const clock = manualClock();
  const db = openDatabase(':memory:');
  const [bus, store] = [new MemoryBusHub().connect(), new CommunicationStore(clock)];
  const core = serverCoreFor({ db, bus, clock, store, logger: silentLogger });
  onTestFinished(async () => {
    core.close();
    await core.services.calls.idle();
    await core.store.drain();
    db.close();
  });
  await core.ready();
  const record: CallRecord = {
    id: 'call',
    conversationId: 'deleted',
    type: 'audio',
    callerId: 'ana',
    state: 'ended',
    startedAt: clock.now(),
    endedAt: clock.now(),
    endReason: 'completed',
    seats: [],
    invitations: [],
  };
  const row = { id: record.id, state: JSON.stringify(record), version: 1 };
  const columns = {
    conversationId: record.conversationId,
    running: false,
    dueAt: clock.now(),
    logged: false,
    users: new Map(),
  };
  await core.store.write(() => storeSharedCall(row, columns, new Date(clock.now()).toISOString()));
  clock.advance(2_000);
  await eventually(async () => {
    const [stored] = await core.store.read(() => callsInScope({ callIds: [record.id] }));
    expect(stored?.logged).toBe(1);
  });
});
