import type { BrowserContext, Page } from 'playwright';
import { expect, test } from 'vitest';
import { fromBase64 } from '../../src/lib/base64.ts';
import { connected, crash, waitForQueued, numbered, shows, useTestBed, type TestBed } from './browser.ts';

const startTestBed = useTestBed();

interface Talk {
  testBed: TestBed;
  device: BrowserContext;
  alice: Page;
  bob: Page;
  conversation: string;
}

/** Opens alice and bob on separate devices, with published keys. */
async function talk(): Promise<Talk> {
  const testBed = await startTestBed();
  const alice = await testBed.server.connect('alice');
  const { id: conversation } = await alice.ask('conversation:create', { type: 'direct', participantIds: ['bob'] });
  const device = await testBed.device();
  return {
    testBed,
    device,
    conversation,
    alice: await open(testBed, device, 'alice', conversation),
    bob: await open(testBed, await testBed.device(), 'bob', conversation),
  };
}

async function open(testBed: TestBed, device: BrowserContext, user: string, conversation: string): Promise<Page> {
  const page = await testBed.open(device, { address: `user=${user}&encrypted&open=${conversation}` });
  await connected(page);
  await page.evaluate(() => chat.client.encryption.ready);
  await page.evaluate((id) => chat.view(id).ready, conversation);
  return page;
}

async function say(page: Page, conversation: string, contents: readonly string[]): Promise<void> {
  await page.evaluate(([id, texts]) => chat.send(id, texts, true), [conversation, contents] as const);
}

/** Returns the ciphertexts of all stored messages. */
async function ciphertexts({ testBed, conversation }: Talk): Promise<string[]> {
  const answer = await testBed.server.rest(`/conversations/${conversation}/messages?limit=200`, 'alice');
  return ((await answer.json()) as { envelope: { ciphertext: string } }[]).map(({ envelope }) => envelope.ciphertext);
}

/** Returns the ratchet key and message number from the cleartext header. */
function numberOf(ciphertext: string): string {
  const bytes = Buffer.from(fromBase64(ciphertext) ?? '');
  const at = bytes[1] === 2 ? 6 : 2;
  return `${bytes.subarray(at, at + 32).toString('hex')} ${bytes.readUInt32BE(at + 36)}`;
}

test('two tabs that encrypt at the same time never use a message number twice, and all messages are decrypted', async () => {
  const talking = await talk();
  const { testBed, device, alice, bob, conversation } = talking;
  const other = await open(testBed, device, 'alice', conversation);
  await Promise.all([
    say(alice, conversation, numbered('one', 20)),
    say(other, conversation, numbered('other', 20)),
    say(bob, conversation, numbered('bob', 5)),
  ]);
  await expect.poll(async () => (await ciphertexts(talking)).length).toBe(45);
  const numbers = (await ciphertexts(talking)).map(numberOf);
  expect(new Set(numbers).size).toBe(45);
  const all = [...numbered('one', 20), ...numbered('other', 20), ...numbered('bob', 5)].toSorted();
  for (const page of [alice, other, bob]) {
    const contents = () => page.evaluate((id) => chat.messages(id).map(({ content }) => content), conversation);
    await expect.poll(async () => (await contents()).toSorted()).toEqual(all);
    expect(await page.evaluate(() => chat.errors)).toEqual([]);
  }
});

test('after a tab crashed between encrypting and sending, the next tab sends the same bytes', async () => {
  const talking = await talk();
  const { testBed, device, alice, bob, conversation } = talking;
  await say(alice, conversation, ['before']);
  await shows(bob, conversation, ['sent: before']);
  const left: string[] = [];
  const watch = (page: Page): void => {
    page.on('websocket', (socket) => socket.on('framesent', ({ payload }) => left.push(...sentIn(String(payload)))));
  };
  // Playwright reports frames only of sockets that are opened after the listener was added.
  await alice.close();
  const writing = await device.newPage();
  watch(writing);
  await writing.goto(`${testBed.proxy.url}/?user=alice&encrypted&open=${conversation}`);
  await connected(writing);
  await writing.evaluate(() => chat.client.encryption.ready);
  await writing.evaluate((id) => chat.view(id).ready, conversation);
  testBed.proxy.kill();
  await say(writing, conversation, ['at the last moment']);
  await expect.poll(() => left.length).toBeGreaterThan(0);
  await crash(writing);
  // Frames in transit are lost.
  testBed.proxy.cut();
  testBed.proxy.heal();

  const after = await device.newPage();
  watch(after);
  await after.goto(`${testBed.proxy.url}/?user=alice&encrypted&open=${conversation}`);
  await connected(after);
  await shows(bob, conversation, ['sent: before', 'sent: at the last moment']);
  await waitForQueued(after, 0);
  expect(left.length).toBeGreaterThan(1);
  expect(new Set(left).size).toBe(1);
  expect(await ciphertexts(talking)).toContain(left[0]);
});

test('the browser stores no plaintext, and the storage key is not extractable', async () => {
  const talking = await talk();
  const { testBed, device, alice, bob, conversation } = talking;
  await say(alice, conversation, ['the first secret']);
  await shows(bob, conversation, ['sent: the first secret']);
  await say(bob, conversation, ['the second secret']);
  await shows(alice, conversation, ['delivered: the first secret', 'sent: the second secret']);
  const identity = await alice.evaluate(() => chat.client.encryption.identityKey());
  await testBed.unplug(device);
  await say(alice, conversation, ['the third secret']);
  await waitForQueued(alice, 1);
  const dump = await alice.evaluate(() => chat.dump());
  expect(dump).not.toMatch(/secret/);
  expect(dump).toContain('CryptoKey, extractable: false');
  expect(dump).not.toContain(identity);
  // All records of encryption are sealed, and the key to them is wrapped.
  const entries = dump.split('\n').filter((line) => line.includes('/e2ee/'));
  expect(entries.length).toBeGreaterThan(5);
  const [vault, ...others] = entries.filter((line) => !/: "[A-Za-z0-9+/=]+"$/.test(line));
  expect(vault).toMatch(/vault".*"wrap":"device"/);
  expect(others).toEqual([]);
});

test('tabs that start for the first time together share one identity', async () => {
  const testBed = await startTestBed();
  const device = await testBed.device();
  const pages = await Promise.all([1, 2, 3].map(() => testBed.open(device, { address: 'user=alice&encrypted' })));
  const identities = await Promise.all(
    pages.map(async (page) => {
      await connected(page);
      await page.evaluate(() => chat.client.encryption.ready);
      return page.evaluate(() => chat.client.encryption.identityKey());
    }),
  );
  expect(new Set(identities).size).toBe(1);
});

/** Returns the ciphertexts of the messages in a Socket.IO frame. */
function sentIn(frame: string): string[] {
  const at = frame.indexOf('["nk:message:send"');
  if (at === -1) return [];
  const [, payload] = JSON.parse(frame.slice(at)) as [string, { envelope?: { ciphertext: string } }];
  return payload.envelope === undefined ? [] : [payload.envelope.ciphertext];
}
