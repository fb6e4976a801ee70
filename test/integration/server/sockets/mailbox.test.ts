import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import type { CheckedClient } from '../../../helpers/server/checked-client.ts';
import { startServer, type TestServer } from '../../../helpers/server/comm-server.ts';
import { sessionInit, textOf } from '../../../helpers/server/envelopes.ts';
import { keyBundle } from '../../../helpers/server/keys.ts';
import { temporaryDirectory } from '../../../helpers/temporary-directory.ts';

/** Alice, who shares a conversation with bob, who is away. */
async function start(server: TestServer): Promise<CheckedClient> {
  const alice = await server.connect('alice');
  await alice.ask('conversation:create', { type: 'direct', participantIds: ['bob'] });
  return alice;
}

async function send(sender: CheckedClient, texts: readonly string[], from = 'alice', to = 'bob'): Promise<void> {
  await Promise.all(texts.map((text) => sender.ask('encryption:session-init', sessionInit(from, to, text))));
}

async function received(client: CheckedClient, count: number): Promise<{ text: string; mailboxId: string }[]> {
  const found: { text: string; mailboxId: string }[] = [];
  while (found.length < count) {
    const push = await client.next('encryption:session-init');
    found.push({ text: textOf(push), mailboxId: push.mailboxId ?? 'none' });
  }
  return found;
}

/** Whatever the server was going to hand over by now is here: pages are read in the order of the writes. */
async function handedOver(client: CheckedClient): Promise<void> {
  await client.ask('encryption:mailbox-ack', { mailboxIds: ['0'] });
  await client.settled();
}

const texts = (count: number, prefix = 'text'): string[] =>
  Array.from({ length: count }, (_, index) => `${prefix} ${index}`);

test('stored envelopes are delivered in order on connect, until they are acknowledged', async () => {
  await using server = await startServer();
  const alice = await start(server);
  await send(alice, texts(3));
  const bob = await server.connect('bob');
  const first = await received(bob, 3);
  expect(first.map(({ text }) => text)).toEqual(texts(3));
  bob.close();

  const again = await server.connect('bob');
  expect(await received(again, 3)).toEqual(first);
  await again.ask('encryption:mailbox-ack', { mailboxIds: [first[0]?.mailboxId ?? '', first[2]?.mailboxId ?? ''] });
  again.close();

  const last = await server.connect('bob');
  expect(await received(last, 1)).toEqual([first[1]]);
  await last.ask('encryption:mailbox-ack', { mailboxIds: [first[1]?.mailboxId ?? ''] });
  last.close();

  const done = await server.connect('bob');
  await handedOver(done);
  expect(done.events).not.toContain('encryption:session-init');
});

test('an envelope delivered to a connected device is kept until it is acknowledged', async () => {
  await using server = await startServer();
  const alice = await start(server);
  const bob = await server.connect('bob');
  await send(alice, texts(2));
  const live = await received(bob, 2);
  bob.close();
  const again = await server.connect('bob');
  expect(await received(again, 2)).toEqual(live);
});

test('an envelope is stored before the reply and survives a restart', async () => {
  await using directory = await temporaryDirectory();
  const database = join(directory.path, 'comm.sqlite');
  {
    await using server = await startServer({ database });
    const alice = await start(server);
    await send(alice, ['kept']);
    const reader = new DatabaseSync(database, { readOnly: true, timeout: 60_000 });
    expect(reader.prepare('SELECT recipient_id, sender_id FROM comm_mailbox').all()).toEqual([
      { recipient_id: 'bob', sender_id: 'alice' },
    ]);
    reader.close();
  }
  await using server = await startServer({ database });
  const bob = await server.connect('bob');
  expect((await received(bob, 1)).map(({ text }) => text)).toEqual(['kept']);
});

test('a large mailbox is delivered in pages, followed by newer envelopes', async () => {
  await using server = await startServer();
  const alice = await start(server);
  const carol = await server.connect('carol');
  await carol.ask('conversation:create', { type: 'direct', participantIds: ['bob'] });
  await send(alice, texts(150));
  await send(carol, texts(150, 'later'), 'carol');
  const bob = await server.connect('bob');
  const all = await received(bob, 100);
  await send(alice, ['while handing over']);
  const ack = async (from: number, to: number): Promise<void> => {
    const mailboxIds = all.slice(from, to).map(({ mailboxId }) => mailboxId);
    await bob.ask('encryption:mailbox-ack', { mailboxIds });
    await handedOver(bob);
  };
  await handedOver(bob);
  expect(bob.payloads('encryption:session-init')).toHaveLength(100);
  await ack(0, 49);
  expect(bob.payloads('encryption:session-init')).toHaveLength(100);
  await ack(49, 50);
  expect(bob.payloads('encryption:session-init')).toHaveLength(200);
  all.push(...(await received(bob, 100)));
  await ack(50, 150);
  all.push(...(await received(bob, 100)));
  await ack(150, 250);
  all.push(...(await received(bob, 1)));
  expect(all.map(({ text }) => text)).toEqual([...texts(150), ...texts(150, 'later'), 'while handing over']);
  const ids = all.map(({ mailboxId }) => Number(mailboxId));
  expect(ids).toEqual(ids.toSorted((a, b) => a - b));
  await send(alice, ['live']);
  expect((await received(bob, 1))[0]?.text).toBe('live');
});

test('a page has at most half a megabyte', async () => {
  await using server = await startServer();
  const alice = await start(server);
  const large = texts(4).map((text) => text.padEnd(90_000, '.'));
  const carol = await server.connect('carol');
  await carol.ask('conversation:create', { type: 'direct', participantIds: ['bob'] });
  await send(alice, large);
  await send(carol, large, 'carol');
  const bob = await server.connect('bob');
  const first = await received(bob, 4);
  await handedOver(bob);
  expect(bob.payloads('encryption:session-init')).toHaveLength(4);
  await bob.ask('encryption:mailbox-ack', { mailboxIds: first.map(({ mailboxId }) => mailboxId) });
  expect((await received(bob, 4)).map(({ text }) => text)).toEqual(large);
});

test("a user can't acknowledge entries of another user", async () => {
  await using server = await startServer();
  const alice = await start(server);
  const mallory = await server.connect('mallory');
  await mallory.ask('conversation:create', { type: 'group', participantIds: ['bob', 'alice'] });
  await send(alice, ['precious']);
  const mailboxIds = Array.from({ length: 200 }, (_, index) => String(index + 1));
  expect(await mallory.ask('encryption:mailbox-ack', { mailboxIds })).toBeNull();
  expect(await alice.ask('encryption:mailbox-ack', { mailboxIds })).toBeNull();
  const strange = ['0', '-1', '1 OR 1=1', '1e3', '999999999999999999999', 'x'];
  expect(await mallory.ask('encryption:mailbox-ack', { mailboxIds: strange })).toBeNull();
  const bob = await server.connect('bob');
  expect((await received(bob, 1)).map(({ text }) => text)).toEqual(['precious']);
});

test('concurrent and repeated acknowledgements are idempotent', async () => {
  await using server = await startServer();
  const alice = await start(server);
  await send(alice, texts(120));
  const [phone, laptop] = [await server.connect('bob'), await server.connect('bob')];
  const first = await received(phone, 100);
  const ids = first.map(({ mailboxId }) => mailboxId);
  await Promise.all(
    [phone, laptop, phone].flatMap((device) =>
      ids.map((mailboxId) => device.ask('encryption:mailbox-ack', { mailboxIds: [mailboxId] })),
    ),
  );
  for (const device of [phone, laptop]) {
    await handedOver(device);
    const seen = device.payloads('encryption:session-init').map(textOf);
    expect(seen).toEqual(texts(120));
  }
});

test('a repeated envelope is stored and pushed once; base clients get each', async () => {
  await using server = await startServer();
  const alice = await start(server);
  const bob = await server.connect('bob');
  const base = await server.connectBase('bob');
  await send(alice, ['once', 'once', 'other']);
  await send(alice, ['once']);
  await bob.settled();
  await base.settled();
  expect(bob.payloads('encryption:session-init').map(textOf)).toEqual(['once', 'other']);
  expect(base.payloads('encryption:session-init').map(textOf)).toEqual(['once', 'once', 'other', 'once']);
  expect(base.payloads('encryption:session-init').every((push) => !('mailboxId' in push))).toBe(true);
});

test('a client without the capability gets no stored envelopes and loses none', async () => {
  await using server = await startServer();
  const alice = await start(server);
  await send(alice, ['waiting']);
  const plain = await server.connect('bob', { caps: ['ack', 'rev'] });
  await send(alice, ['live']);
  await plain.settled();
  expect(plain.payloads('encryption:session-init').map(textOf)).toEqual(['live']);
  const bob = await server.connect('bob');
  expect((await received(bob, 2)).map(({ text }) => text)).toEqual(['waiting', 'live']);
});

test('an envelope to oneself is relayed to the other devices and not stored', async () => {
  await using server = await startServer();
  const alice = await start(server);
  const laptop = await server.connect('alice');
  await send(alice, ['to myself'], 'alice', 'alice');
  expect((await received(laptop, 1))[0]).toEqual({ text: 'to myself', mailboxId: 'none' });
  await alice.settled();
  expect(alice.events).not.toContain('encryption:session-init');
  const again = await server.connect('alice');
  await handedOver(again);
  expect(again.events).not.toContain('encryption:session-init');
});

test('a stored envelope is delivered even if the users no longer share a conversation', async () => {
  await using server = await startServer();
  const alice = await server.connect('alice');
  const { id: conversationId } = await alice.ask('conversation:create', { type: 'group', participantIds: ['bob'] });
  await send(alice, ['before']);
  await alice.ask('conversation:remove-participant', { conversationId, userId: 'bob' });
  expect(await alice.refused('encryption:session-init', sessionInit('alice', 'bob', 'after'))).toMatchObject({
    code: 'NOT_FOUND',
  });
  const bob = await server.connect('bob');
  await handedOver(bob);
  expect(bob.payloads('encryption:session-init').map(textOf)).toEqual(['before']);
});

test('sender keys for dozens of members at once are all stored', async () => {
  await using server = await startServer();
  const alice = await server.connect('alice');
  const members = texts(60, 'member');
  await alice.ask('conversation:create', { type: 'group', participantIds: members });
  await Promise.all(members.map((member) => send(alice, ['sender key'], 'alice', member)));
  const one = await server.connect(members[42] ?? '');
  expect((await received(one, 1))[0]?.text).toBe('sender key');
});

test("a full mailbox rejects the sender, unless its owner's client never acknowledges", async () => {
  await using server = await startServer();
  const alice = await start(server);
  await send(alice, texts(200));
  expect(await alice.refused('encryption:session-init', sessionInit('alice', 'bob', 'too many'))).toMatchObject({
    code: 'RATE_LIMITED',
    retryAfterMs: 600_000,
  });
  // Repeating what is stored is no new one.
  await send(alice, ['text 7']);

  const base = await server.connectBase('bob');
  await base.ask('encryption:upload-keys', keyBundle(0));
  await send(alice, ['live only']);
  expect((await base.next('encryption:session-init', (push) => textOf(push) === 'live only')).senderId).toBe('alice');
});

test("accounts that share only unanswered conversations with a user can't fill the user's mailbox", async () => {
  await using server = await startServer();
  const alice = await server.connect('alice');
  const bob = await server.connect('bob');
  const { id: conversationId } = await bob.ask('conversation:create', { type: 'direct', participantIds: ['alice'] });
  await bob.ask('message:send', { conversationId, content: 'hello', type: 'text' });
  bob.close();
  const large = texts(4).map((text) => text.padEnd(90_000, '.'));
  let rejected = 0;
  for (const account of texts(36, 'attacker')) {
    const attacker = await server.connect(account);
    await attacker.ask('conversation:create', { type: 'group', participantIds: ['bob', 'alice'] });
    const sent = await Promise.allSettled(large.map((text) => send(attacker, [text], account)));
    rejected += sent.filter(({ status }) => status === 'rejected').length;
  }
  expect(rejected).toBeGreaterThan(0);

  await send(alice, large);
  const again = await server.connect('bob');
  const fromAlice: string[] = [];
  while (fromAlice.length < large.length) {
    const push = await again.next('encryption:session-init');
    if (push.senderId === 'alice') fromAlice.push(textOf(push));
    await again.ask('encryption:mailbox-ack', { mailboxIds: [push.mailboxId ?? ''] });
  }
  expect(fromAlice).toEqual(large);
});

test('an oversized envelope is MESSAGE_TOO_LONG', async () => {
  await using server = await startServer();
  const alice = await start(server);
  const request = sessionInit('alice', 'bob', 'x'.repeat(98_305));
  expect(await alice.refused('encryption:session-init', request)).toMatchObject({ code: 'MESSAGE_TOO_LONG' });
});
