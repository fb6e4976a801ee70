import { expect, test } from 'vitest';
import { CallStore } from '../../../playground/src/call/call-store.ts';
import type { CallSession } from '../../../src/index.ts';
import { becomes, caller, type Caller } from '../../helpers/client/caller.ts';
import { direct, startWorld } from '../../helpers/client/world.ts';

/** Bob's calls: he talks with Alice, and Carol waits. */
async function waiting() {
  const world = await startWorld();
  const [alice, bob, carol] = [
    await caller(world.join, 'alice'),
    await caller(world.join, 'bob'),
    await caller(world.join, 'carol'),
  ] as const;
  const end = new AbortController();
  const store = new CallStore(bob.app.client as never, 'bob', end.signal);
  const ring = async (from: Caller): Promise<CallSession> => {
    const conversationId = await direct(from.app, bob.app);
    const { id } = await from.app.client.calls.start({ conversationId, type: 'audio', calleeIds: ['bob'] });
    return bob.app.next('call', (call) => call.id === id);
  };
  const first = await ring(alice);
  store.accept(first, 'audio');
  await becomes(first, 'connected');
  const second = await ring(carol);
  const hangUp = async (): Promise<void> => {
    end.abort();
    await Promise.all([first.ended, second.ended]);
  };
  return { bob, store, first, second, ring, hangUp };
}

const rings = (store: CallStore): string[] => store.ringing.value.map(({ id }) => id);

test('a call that waits rings until the other one is on hold', async () => {
  const { bob, store, first, second, hangUp } = await waiting();
  bob.app.port.unplug();
  store.accept(second, 'audio');
  expect([rings(store), store.session.value]).toEqual([[second.id], first]);
  bob.app.port.plug();
  await becomes(second, 'connected');
  expect([rings(store), store.session.value, store.held.value]).toEqual([[], second, first]);
  await hangUp();
});

test('a third call leaves the call on hold and the active one as they are', async () => {
  const { bob, store, first, second, hangUp } = await waiting();
  store.accept(second, 'audio');
  await becomes(second, 'connected');
  // A call that rang before the others were accepted, or that another server lets through.
  const third = { ...second, id: 'third' } as CallSession;
  store.accept(third, 'audio');
  expect([store.session.value, store.held.value, store.failure.value]).toEqual([second, first, undefined]);
  expect(bob.app.client.calls.active).toBe(second);
  await hangUp();
});
