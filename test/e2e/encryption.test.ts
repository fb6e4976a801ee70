import type { BrowserContext, Page } from 'playwright';
import { expect, test } from 'vitest';
import { fromBase64 } from '../../src/lib/base64.ts';
import { connected, crash, holds, numbered, shows, useStage, type Stage } from './browser.ts';

const setStage = useStage();

interface Talk {
  stage: Stage;
  device: BrowserContext;
  alice: Page;
  bob: Page;
  conversation: string;
}

/** Alice and Bob, each on a device of their own, with their keys published. */
async function talk(): Promise<Talk> {
  const stage = await setStage();
  const alice = await stage.server.connect('alice');
  const { id: conversation } = await alice.ask('conversation:create', { type: 'direct', participantIds: ['bob'] });
  const device = await stage.device();
  return {
    stage,
    device,
    conversation,
    alice: await open(stage, device, 'alice', conversation),
    bob: await open(stage, await stage.device(), 'bob', conversation),
  };
}

async function open(stage: Stage, device: BrowserContext, user: string, conversation: string): Promise<Page> {
  const page = await stage.open(device, { address: `user=${user}&encrypted&open=${conversation}` });
  await connected(page);
  await page.evaluate(() => chat.client.encryption.ready);
  await page.evaluate((id) => chat.view(id).ready, conversation);
  return page;
}

async function say(page: Page, conversation: string, contents: readonly string[]): Promise<void> {
  await page.evaluate(([id, texts]) => chat.send(id, texts, true), [conversation, contents] as const);
}

/** Every ciphertext that the server has stored. */
async function ciphertexts({ stage, conversation }: Talk): Promise<string[]> {
  const answer = await stage.server.rest(`/conversations/${conversation}/messages?limit=200`, 'alice');
  return ((await answer.json()) as { envelope: { ciphertext: string } }[]).map(({ envelope }) => envelope.ciphertext);
}

/** Ratchet key and message number, as the header has them in clear. */
function numberOf(ciphertext: string): string {
  const bytes = Buffer.from(fromBase64(ciphertext) ?? '');
  const at = bytes[1] === 2 ? 6 : 2;
  return `${bytes.subarray(at, at + 32).toString('hex')} ${bytes.readUInt32BE(at + 36)}`;
}

test('two tabs that encrypt at once never share a message number, and all of it is read', async () => {
  const talking = await talk();
  const { stage, device, alice, bob, conversation } = talking;
  const other = await open(stage, device, 'alice', conversation);
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

test('a tab that is killed after a message was encrypted and before it arrived: the same bytes leave', async () => {
  const talking = await talk();
  const { stage, device, alice, bob, conversation } = talking;
  await say(alice, conversation, ['before']);
  await shows(bob, conversation, ['sent: before']);
  const left: string[] = [];
  const watch = (page: Page): void => {
    page.on('websocket', (socket) => socket.on('framesent', ({ payload }) => left.push(...sentIn(String(payload)))));
  };
  // Its line is open since before: what it sends shows in a page that is opened now.
  await alice.close();
  const writing = await device.newPage();
  watch(writing);
  await writing.goto(`${stage.line.url}/?user=alice&encrypted&open=${conversation}`);
  await connected(writing);
  await writing.evaluate(() => chat.client.encryption.ready);
  await writing.evaluate((id) => chat.view(id).ready, conversation);
  stage.line.kill();
  await say(writing, conversation, ['at the last moment']);
  await expect.poll(() => left.length).toBe(1);
  await crash(writing);
  // What was on its way is lost with it.
  stage.line.cut();
  stage.line.heal();

  const after = await device.newPage();
  watch(after);
  await after.goto(`${stage.line.url}/?user=alice&encrypted&open=${conversation}`);
  await connected(after);
  await shows(bob, conversation, ['sent: before', 'sent: at the last moment']);
  await holds(after, 0);
  expect(left.length).toBeGreaterThan(1);
  expect(new Set(left).size).toBe(1);
  expect(await ciphertexts(talking)).toContain(left[0]);
});

test('nothing that is stored in the browser can be read, and its key can not be taken out', async () => {
  const talking = await talk();
  const { stage, device, alice, bob, conversation } = talking;
  await say(alice, conversation, ['the first secret']);
  await shows(bob, conversation, ['sent: the first secret']);
  await say(bob, conversation, ['the second secret']);
  await shows(alice, conversation, ['sent: the first secret', 'sent: the second secret']);
  const identity = await alice.evaluate(() => chat.client.encryption.identityKey());
  await stage.unplug(device);
  await say(alice, conversation, ['the third secret']);
  await holds(alice, 1);
  const dump = await alice.evaluate(() => chat.dump());
  expect(dump).not.toMatch(/secret/);
  expect(dump).toContain('CryptoKey, extractable: false');
  expect(dump).not.toContain(identity);
  // Whatever is there under the names of keys and texts is sealed, and the key to it wrapped.
  const entries = dump.split('\n').filter((line) => line.includes('/e2ee/'));
  expect(entries.length).toBeGreaterThan(5);
  const [vault, ...others] = entries.filter((line) => !/: "[A-Za-z0-9+/=]+"$/.test(line));
  expect(vault).toMatch(/vault".*"wrap":"device"/);
  expect(others).toEqual([]);
});

test('two tabs that start for the first time at once have one identity', async () => {
  const stage = await setStage();
  const device = await stage.device();
  const pages = await Promise.all([1, 2, 3].map(() => stage.open(device, { address: 'user=alice&encrypted' })));
  const identities = await Promise.all(
    pages.map(async (page) => {
      await connected(page);
      await page.evaluate(() => chat.client.encryption.ready);
      return page.evaluate(() => chat.client.encryption.identityKey());
    }),
  );
  expect(new Set(identities).size).toBe(1);
});

/** Ciphertexts of the messages in a frame of Socket.IO. */
function sentIn(frame: string): string[] {
  const at = frame.indexOf('["nk:message:send"');
  if (at === -1) return [];
  const [, payload] = JSON.parse(frame.slice(at)) as [string, { envelope?: { ciphertext: string } }];
  return payload.envelope === undefined ? [] : [payload.envelope.ciphertext];
}
