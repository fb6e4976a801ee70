import { describe, expect, test } from 'vitest';
import { LIMITS } from '../../../src/protocol/limits.ts';
import { until, type App } from '../../helpers/client/app.ts';
import { direct, group, startWorld } from '../../helpers/client/world.ts';

/** Sends a last message and waits for it: everything that was told before it has arrived. */
async function barrier(from: App, to: App, conversationId: string): Promise<void> {
  const { id } = await from.client.messages.send({ conversationId, content: 'barrier' });
  await to.next('message:new', (message) => message.id === id);
}

describe('changes while the client was disconnected', () => {
  test('messages, edits, deletions and reactions are reported once each', async () => {
    const { joinAll } = await startWorld();
    const { alice, bob } = await joinAll('alice', 'bob');
    const conversationId = await direct(alice, bob);
    const [edited, deleted, reacted] = await Promise.all(
      ['a', 'b', 'c'].map((content) => alice.client.messages.send({ conversationId, content })),
    );
    await bob.next('message:new', ({ content }) => content === 'c');
    bob.port.unplug();
    bob.forget();
    await alice.client.messages.edit({ conversationId, messageId: edited?.id ?? '', content: 'A' });
    await alice.client.messages.delete({ conversationId, messageId: deleted?.id ?? '' });
    await alice.client.messages.react({ conversationId, messageId: reacted?.id ?? '', emoji: '👍' });
    for (const content of ['d', 'e', 'f']) await alice.client.messages.send({ conversationId, content });
    const gone = await alice.client.messages.send({ conversationId, content: 'came and went' });
    await alice.client.messages.delete({ conversationId, messageId: gone.id });
    const changed = await alice.client.messages.send({ conversationId, content: 'g' });
    await alice.client.messages.edit({ conversationId, messageId: changed.id, content: 'G' });
    bob.port.plug();
    await bob.reconnected();
    await barrier(alice, bob, conversationId);
    expect(bob.all('message:new').map(({ content }) => content)).toEqual(['d', 'e', 'f', 'G', 'barrier']);
    expect(bob.all('message:updated').map(({ id, content }) => [id, content])).toEqual([
      [edited?.id, 'A'],
      [reacted?.id, 'c'],
    ]);
    expect(bob.all('message:updated')[1]?.reactions).toEqual([{ emoji: '👍', count: 1, users: ['alice'] }]);
    expect(bob.all('message:deleted').map(({ messageId }) => messageId)).toEqual([gone.id, deleted?.id]);
    expect(bob.errors).toEqual([]);
  });

  test('an open view shows the same as one that is opened afterwards', async () => {
    const { joinAll, join } = await startWorld();
    const { alice, bob } = await joinAll('alice', 'bob');
    const conversationId = await direct(alice, bob);
    const view = bob.client.conversations.open(conversationId);
    await view.ready;
    const first = await alice.client.messages.send({ conversationId, content: 'first' });
    await bob.next('message:new');
    bob.port.unplug();
    const gone = await alice.client.messages.send({ conversationId, content: 'came and went' });
    await alice.client.messages.delete({ conversationId, messageId: gone.id });
    const second = await alice.client.messages.send({ conversationId, content: 'second' });
    await alice.client.messages.send({ conversationId, content: 'third' });
    await alice.client.messages.edit({ conversationId, messageId: second.id, content: 'SECOND' });
    await alice.client.messages.edit({ conversationId, messageId: first.id, content: 'FIRST' });
    bob.port.plug();
    await bob.reconnected();
    await barrier(alice, bob, conversationId);
    const other = await join('bob');
    const fresh = other.client.conversations.open(conversationId);
    await fresh.ready;
    const essence = (shown: typeof view): unknown[] =>
      shown
        .getSnapshot()
        .messages.map(({ id, content, deletedAt, seq, rev }) => ({ id, content, deletedAt, seq, rev }));
    expect(essence(view)).toEqual(essence(fresh));
    expect(view.getSnapshot().messages.map(({ content }) => content)).toEqual([
      'FIRST',
      '',
      'SECOND',
      'third',
      'barrier',
    ]);
  });

  test('more changes than a batch has room for arrive in pages, and none is lost', async () => {
    const { joinAll } = await startWorld();
    const { alice, bob } = await joinAll('alice', 'bob');
    const conversationId = await direct(alice, bob);
    const view = bob.client.conversations.open(conversationId);
    await view.ready;
    bob.port.unplug();
    const count = LIMITS.syncChanges * 2 + 20;
    const sent = await Promise.all(
      Array.from({ length: count }, (_, at) => alice.client.messages.send({ conversationId, content: `m ${at}` })),
    );
    // Edited: it comes at the end of the last page, behind messages that are newer.
    await alice.client.messages.edit({ conversationId, messageId: sent[3]?.id ?? '', content: 'edited' });
    bob.port.plug();
    await bob.reconnected();
    await barrier(alice, bob, conversationId);
    const seqs = bob.all('message:new').map(({ seq }) => seq ?? 0);
    expect(seqs.toSorted((a, b) => a - b)).toEqual(Array.from({ length: count + 1 }, (_, at) => at + 1));
    const { messages } = await until(view, ({ messages: shown }) => shown.length === count + 1);
    expect(messages.map(({ seq }) => seq)).toEqual(Array.from({ length: count + 1 }, (_, at) => at + 1));
    expect(messages[3]?.content).toBe('edited');
  });

  test('too many changes are not reported one by one and leave a gap that scrolling fills', async () => {
    const { joinAll } = await startWorld();
    const { alice, bob } = await joinAll('alice', 'bob');
    const conversationId = await direct(alice, bob);
    for (const content of ['old 1', 'old 2']) await alice.client.messages.send({ conversationId, content });
    const view = bob.client.conversations.open(conversationId);
    await view.ready;
    bob.port.unplug();
    bob.forget();
    const count = LIMITS.catchUpChanges + 10;
    await Promise.all(
      Array.from({ length: count }, (_, at) => alice.client.messages.send({ conversationId, content: `m ${at}` })),
    );
    bob.port.plug();
    await bob.reconnected();
    await until(view, ({ messages }) => messages.at(-1)?.content === `m ${count - 1}`);
    expect(view.getSnapshot()).toMatchObject({ hasOlder: true, hasNewer: false });
    await barrier(alice, bob, conversationId);
    expect(bob.all('message:new').map(({ content }) => content)).toEqual(['barrier']);
    while (view.getSnapshot().hasOlder) await view.loadOlder();
    expect(view.getSnapshot().messages.map(({ seq }) => seq)).toEqual(
      Array.from({ length: count + 3 }, (_, at) => at + 1),
    );
  });

  test('gained and lost conversations and changed participants and names are reported once', async () => {
    const { joinAll } = await startWorld();
    const { alice, bob, carol } = await joinAll('alice', 'bob', 'carol');
    const kept = await group(alice, bob);
    const lost = await group(alice, bob);
    bob.port.unplug();
    bob.forget();
    const gained = await alice.client.conversations.create({ type: 'group', name: 'New', participantIds: ['bob'] });
    await alice.client.messages.send({ conversationId: gained.id, content: 'Welcome' });
    await alice.client.conversations.removeParticipant(lost, 'bob');
    await alice.client.conversations.update(kept, { name: 'Renamed' });
    await alice.client.conversations.addParticipants(kept, ['carol']);
    await carol.next('conversation:new');
    bob.port.plug();
    await bob.reconnected();
    await barrier(alice, bob, kept);
    expect(bob.all('conversation:new').map(({ id }) => id)).toEqual([gained.id]);
    expect(bob.all('conversation:left')).toEqual([{ conversationId: lost, userId: 'bob' }]);
    const updates = bob.all('conversation:updated').filter(({ id }) => id === kept);
    expect(updates).toHaveLength(1);
    expect(updates[0]).toMatchObject({ name: 'Renamed' });
    expect(updates[0]?.participants?.map(({ userId }) => userId).toSorted()).toEqual(['alice', 'bob', 'carol']);
    await alice.client.messages.send({ conversationId: gained.id, content: 'live again' });
    await bob.next('message:new', ({ content }) => content === 'live again');
  });

  test('messages read on another device are read here as well', async () => {
    const { joinAll, join } = await startWorld();
    const { alice, bob } = await joinAll('alice', 'bob');
    const conversationId = await direct(alice, bob);
    const { inbox } = bob.client.conversations;
    const stop = inbox.subscribe(() => undefined);
    const { id: messageId } = await alice.client.messages.send({ conversationId, content: 'Hello' });
    await until(inbox, ({ conversations }) => conversations[0]?.unreadCount === 1);
    bob.port.unplug();
    const phone = await join('bob');
    await phone.client.messages.markRead({ conversationId, messageId });
    bob.port.plug();
    await bob.reconnected();
    await until(inbox, ({ conversations }) => conversations[0]?.unreadCount === 0);
    stop();
  });

  test('flags set on another device apply here as well', async () => {
    const { joinAll, join } = await startWorld();
    const { alice, bob } = await joinAll('alice', 'bob');
    const conversationId = await direct(alice, bob);
    bob.port.unplug();
    bob.forget();
    const phone = await join('bob');
    await phone.client.conversations.mute(conversationId, true);
    bob.port.plug();
    await bob.reconnected();
    await bob.next('conversation:updated', ({ id, muted }) => id === conversationId && muted === true);
  });
});

describe('a lost connection', () => {
  test('is replaced automatically, and the status changes', async () => {
    const { joinAll } = await startWorld();
    const { alice } = await joinAll('alice');
    alice.port.cut();
    expect(alice.client.status).toBe('reconnecting');
    await alice.reconnected();
    expect(alice.all('status')).toEqual(['connecting', 'connected', 'reconnecting', 'connected']);
    expect(alice.errors).toEqual([]);
  });

  test('during 300 sends from both sides loses and duplicates nothing', async () => {
    const { joinAll } = await startWorld();
    const { alice, bob } = await joinAll('alice', 'bob');
    const conversationId = await direct(alice, bob);
    const sends: Promise<unknown>[] = [];
    const view = bob.client.conversations.open(conversationId);
    await view.ready;
    for (let round = 0; round < 6; round += 1) {
      for (let at = 0; at < 25; at += 1) {
        sends.push(alice.client.messages.send({ conversationId, content: `alice ${round * 25 + at}` }));
        sends.push(bob.client.messages.send({ conversationId, content: `bob ${round * 25 + at}` }));
      }
      await Promise.race(sends.slice(-50));
      [alice, bob][round % 2]?.port.cut();
      await Promise.all([alice.reconnected(), bob.reconnected()]);
    }
    await Promise.all(sends);
    await until(view, ({ messages }) => messages.filter(({ status }) => status !== 'sending').length === 300);
    for (const [app, other] of [
      [alice, bob],
      [bob, alice],
    ] as const) {
      await barrier(other, app, conversationId);
      const contents = app.all('message:new').filter(({ content }) => content !== 'barrier');
      expect(contents.map(({ seq }) => seq)).toEqual(Array.from({ length: 300 }, (_, at) => at + 1));
      for (const { client } of [alice, bob]) {
        const own = contents.filter(({ senderId }) => senderId === client.userId).map(({ content }) => content);
        expect(own).toEqual(Array.from({ length: 150 }, (_, at) => `${client.userId} ${at}`));
      }
    }
  });

  test('lost pushes are detected by the next one and fetched', async () => {
    const { joinAll } = await startWorld();
    const { alice, bob } = await joinAll('alice', 'bob');
    const conversationId = await direct(alice, bob);
    let lose = 3;
    bob.port.losesPush = (event) => event === 'message:new' && lose-- > 0;
    for (const content of ['a', 'b', 'c', 'd']) await alice.client.messages.send({ conversationId, content });
    await bob.next('message:new', ({ content }) => content === 'd');
    expect(bob.all('message:new').map(({ content }) => content)).toEqual(['a', 'b', 'c', 'd']);
  });
});
